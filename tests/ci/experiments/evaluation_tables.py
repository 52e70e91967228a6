"""Tables of evaluations of brains, glands and breasts, of a few cases each."""

HEAD = "case,dice_WT,dice_TC,dice_ET,dice_ET_pp500,hausdorff_95_mm_WT,hausdorff_95_mm_TC,expected_calibration_error"


def evaluation(path, rows):
    """An evaluation's table; the summary rows hold nonsense, since only cases count."""
    lines = [HEAD, *[f"{case},{','.join(map(str, row))}" for case, row in rows.items()]]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, "mean,9,9,9,9,9,9,9", "standard deviation,9,9,9,9,9,9,9", ""]))
    return str(path)


GLANDS = "case,part,object_f1,object_dice,object_hausdorff_um,pixel_accuracy,class_correct,malignant_probability"


def gland_evaluation(path, pooled, part_a, grade=1):
    """An evaluation of three images; the pooled scores hang on areas, so that the cases' own hold nonsense here."""
    rows = ["b1,testB", "a2,testA", "a1,testA"]
    lines = [GLANDS, *[f"{row},0.1,0.1,inf,0.1,{grade},0.1" for row in rows]]
    lines += ["mean,,0.7,0.6,5,0.5,0.4,0.3", "standard deviation,,9,9,9,9,9,9"]
    lines += [f"{name},,{','.join(map(str, scores))}," for name, scores in part_a.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, f"pooled,,{','.join(map(str, pooled))},", ""]))
    return str(path)


BREASTS = (
    "case,true_class,dice,iou,sensitivity,precision,lesion_found_in_normal,class_correct,probability_normal,"
    "probability_benign,macro_f1,macro_precision,auc,class_expected_calibration_error,mask_expected_calibration_error"
)


def breast_evaluation(path, mean, pooled, of_class):
    """An evaluation of two images: mean and pooled scores of the mask, then macro F1, precision and AUC."""
    rows = {
        "normal (1),normal": ",,,,1,1,0.8,0.2,,,,,",
        "benign (1),benign": f"{','.join(map(str, mean))},,0,0.6,0.4,,,,,",
        "mean,": f"{','.join(map(str, mean))},1,0.5,0.7,0.3,,,,,",
        "standard deviation,": "9,9,9,9,,9,9,9,,,,,",
        "pooled,": f"{','.join(map(str, pooled))},1,0.5,,,{','.join(map(str, of_class))},0.1,0.2",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([BREASTS, *[f"{name},{cells}" for name, cells in rows.items()], ""]))
    return str(path)


def cells(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
