import csv
from pathlib import Path

import pytest

from ci.__main__ import main as command_line
from ci.experiments.tables import main
from shared.errors import InputError

HEAD = "case,dice_WT,dice_TC,dice_ET,dice_ET_pp500,hausdorff_95_mm_WT,hausdorff_95_mm_TC,expected_calibration_error"


def evaluation(path, rows):
    """An evaluation's table; the summary rows hold nonsense, since only cases count."""
    lines = [HEAD, *[f"{case},{','.join(map(str, row))}" for case, row in rows.items()]]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, "mean,9,9,9,9,9,9,9", "standard deviation,9,9,9,9,9,9,9", ""]))
    return str(path)


@pytest.fixture
def runs(tmp_path):
    """Two runs of a method, one of another; Dice of WT: 0.90 and 0.86 against 0.85."""
    first = {"a": [0.95, 0.8, 0.6, 0.7, 4.0, 1.0, 0.02], "b": [0.85, 0.7, 0.5, "", 6.0, 1.0, 0.04]}
    second = {"b": [0.82, 0.7, 0.5, 0.7, 6.0, 1.0, 0.04], "a": [0.90, 0.8, 0.6, 0.7, 4.0, 1.0, 0.02]}
    base = {"a": [0.80, 0.6, 0.4, 0.4, 9.0, 1.0, 0.03], "b": [0.90, 0.6, 0.4, 0.4, 9.0, 1.0, 0.03]}
    names = ("ours0/evaluation.csv", "ours1/evaluation.csv", "base/evaluation.csv")
    return [evaluation(tmp_path / name, rows) for name, rows in zip(names, (first, second, base))]


def test_two_methods_by_hand(runs, tmp_path, capsys):
    main(f"ours={runs[0]},{runs[1]}", f"base line={runs[2]}", out=str(tmp_path / "table"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == [
        *["method", "runs", "mean of WT/TC/ET", "WT", "TC", "ET", "ET_pp500", "HD95 WT (mm)", "ECE"],
    ]
    assert rows[2] == [
        *["ours", "2", "72.67 (72.00 to 73.33)", "88.00 (86.00 to 90.00)", "75.00 (75.00 to 75.00)"],
        *["55.00 (55.00 to 55.00)", "70.00 (70.00 to 70.00)", "5.00 (5.00 to 5.00)", "0.0300 (0.0300 to 0.0300)"],
    ]
    assert rows[3] == ["base line", "1", "61.67", "85.00 ≈", "60.00", "40.00", "40.00", "9.00", "0.0300 ≈"]
    assert rows[5][0].startswith(
        "Cases: 2. Dice x 100, mean over cases and runs (smallest to largest run). ≈: the 95 % interval of the"
    )
    assert rows[7] == ["Difference to ours, case by case:"]
    assert rows[12] == ["base line: WT", "2", "-3.00", "-12.50 to +6.50", "1"]  # a: 80 - 92.5, b: 90 - 83.5
    assert (tmp_path / "table.md").read_text().splitlines()[0].startswith("| method | runs |")
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
    numbers = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert (
        numbers[1].items()
        >= {
            **{"method": "ours", "runs": "2", "score": "WT", "mean": "88.000000"},
            **{"smallest": "86.000000", "largest": "90.000000", "within_spread_of_first": "0", "difference": ""},
        }.items()
    )
    expected = {"cases": 2, "difference": -3, "low": -12.5, "high": 6.5, "wilcoxon_p": 1}
    assert {name: float(numbers[8][name]) for name in expected} == pytest.approx(expected)
    assert numbers[8]["within_spread_of_first"] == "1"


def test_wildcard_is_the_same_as_a_list(runs, tmp_path):
    folder = Path(runs[0]).parents[1]
    main(f"ours={runs[0]},{runs[1]}", f"base={runs[2]}", out=str(tmp_path / "list"))
    main(f"ours={folder}/ours*/evaluation.csv", f"base={runs[2]}", out=str(tmp_path / "wildcard"))
    assert (tmp_path / "list.csv").read_bytes() == (tmp_path / "wildcard.csv").read_bytes()


def test_folds_make_one_run(runs, tmp_path):
    """The folds' tables joined are the run's table, although the folds differ in size."""
    rows = {"a": [0.9] * 7, "b": [0.6] * 7, "c": [0.3] * 7}
    whole = evaluation(tmp_path / "whole.csv", rows)
    folds = [evaluation(tmp_path / f"{cases}.csv", {case: rows[case] for case in cases}) for cases in ("ac", "b")]
    main(f"whole={whole}", f"folds={folds[0]}+{folds[1]}", out=str(tmp_path / "table"))
    rows = (tmp_path / "table.md").read_text().splitlines()
    assert rows[2].replace("whole", "folds") == rows[3].replace(" ≈", "")


def test_single_runs_say_that_chance_is_unknown(runs, tmp_path, capsys):
    main(f"ours={runs[0]}", f"base={runs[2]}", out=str(tmp_path / "table"))
    text = capsys.readouterr().out
    assert "≈: differs" not in text
    assert "One run per method: how much runs differ by chance is unknown" in text


def test_where_some_methods_have_one_run_chance_is_unknown_of_those(runs, tmp_path, capsys):
    main(f"ours={runs[0]},{runs[1]}", f"base={runs[2]}", out=str(tmp_path / "table"))
    sentence = "How much the runs of a method with one run differ by chance is unknown."
    assert sentence in capsys.readouterr().out
    main(f"ours={runs[0]},{runs[1]}", f"base={runs[2]},{runs[1]}", out=str(tmp_path / "table"))
    assert sentence not in capsys.readouterr().out


def test_other_regions_and_no_distance(tmp_path, capsys):
    (tmp_path / "evaluation.csv").write_text("case,dice_PZ,dice_TZ,auc\na,0.5,0.7,1\n")
    main(f"ours={tmp_path}/evaluation.csv", out=str(tmp_path / "table"))
    assert capsys.readouterr().out.splitlines()[:3] == [
        "| method | runs | mean of PZ/TZ | PZ | TZ |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| ours | 1 | 60.00 | 50.00 | 70.00 |",
    ]
    assert (tmp_path / "table.png").exists()


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


@pytest.fixture
def gland_runs(tmp_path):
    """Two runs of a method, one of another."""
    runs = {
        "learned0": [[0.85, 0.84, 40.5, 0.8, 0.9], [0.5, 0.4, 70, 0.3, 0.2]],
        "learned1": [[0.87, 0.80, 42.5, 0.8, 1.0], [0.7, 0.4, 80, 0.3, 0.2]],
        "equal": [[0.80, 0.81, 41.0, 0.7, 0.8], [0.4, 0.4, 60, 0.3, 0.2]],
    }
    return [
        gland_evaluation(tmp_path / name / "evaluation.csv", pooled, {"pooled testA": part_a})
        for name, (pooled, part_a) in runs.items()
    ]


def cells(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_glands_by_their_pooled_scores(gland_runs, tmp_path, capsys):
    main(f"learned={gland_runs[0]},{gland_runs[1]}", f"equal={gland_runs[2]}", out=str(tmp_path / "table"))
    rows = cells(capsys.readouterr().out)
    assert rows[0] == [
        *["method", "runs", "class accuracy", "pixel accuracy", "object F1", "object Dice", "object Hausdorff (um)"],
    ]
    assert rows[2] == [
        *["learned", "2", "95.00 (90.00 to 100.00)", "80.00 (80.00 to 80.00)", "86.00 (85.00 to 87.00)"],
        *["82.00 (80.00 to 84.00)", "41.50 (40.50 to 42.50)"],
    ]
    assert rows[3] == ["equal", "1", "80.00", "70.00", "80.00", "81.00 ≈", "41.00 ≈"]
    assert rows[5][0].startswith("Cases: 3, pooled. Accuracies, F1 and Dice x 100, mean over runs")
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
    numbers = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert [numbers[4][name] for name in ("score", "mean", "smallest", "largest")] == [
        *["object Hausdorff (um)", "41.500000", "40.500000", "42.500000"],
    ]


def test_glands_of_one_part(gland_runs, tmp_path, capsys):
    main(f"equal={gland_runs[2]}", out=str(tmp_path / "table"), rows="pooled testA")
    text = capsys.readouterr().out
    assert cells(text)[2] == ["equal", "1", "20.00", "30.00", "40.00", "40.00", "60.00"]
    assert "Cases: 2, pooled testA. " in text
    main(f"equal={gland_runs[2]}", out=str(tmp_path / "table"), rows="mean")
    text = capsys.readouterr().out
    assert cells(text)[2] == ["equal", "1", "40.00", "50.00", "70.00", "60.00", "5.00"]
    assert "Cases: 3, mean. " in text


def test_part_can_be_compared_with_an_evaluation_of_that_part_alone(gland_runs, tmp_path, capsys):
    alone = tmp_path / "alone.csv"
    alone.write_text(
        f"{GLANDS}\na1,testA,1,1,1,1,1,1\na2,testA,1,1,1,1,1,1\npooled testA,,1,1,1,1,1,\npooled,,1,1,1,1,1,\n"
    )
    main(f"both={gland_runs[2]}", f"alone={alone}", out=str(tmp_path / "table"), rows="pooled testA")
    assert "Cases: 2" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"other cases than .* \(b1\); evaluate on one test set"):
        main(f"both={gland_runs[2]}", f"alone={alone}", out=str(tmp_path / "table"))


def test_unknown_grades_have_no_accuracy(tmp_path, capsys):
    path = gland_evaluation(tmp_path / "evaluation.csv", [0.8, 0.8, 40, 0.7, ""], {}, grade="")
    main(f"ours={path}", out=str(tmp_path / "table"))
    assert cells(capsys.readouterr().out)[2] == ["ours", "1", "nan", "70.00", "80.00", "80.00", "40.00"]


BREASTS = (
    "case,true_class,dice,iou,sensitivity,precision,lesion_found_in_normal,class_correct,probability_normal,"
    "probability_benign,macro_f1,macro_precision,auc,class_expected_calibration_error,mask_expected_calibration_error"
)


def breast_evaluation(path, mean, pooled, of_class):
    """An evaluation of two images: mean and pooled scores of the mask, then macro F1, precision and AUC."""
    rows = {
        "normal (1),normal": ",,,,1,1,0.8,0.2,,,,,",
        "benign (1),benign": "0.1,0.1,0.1,0.1,,0,0.6,0.4,,,,,",
        "mean,": f"{','.join(map(str, mean))},1,0.5,0.7,0.3,,,,,",
        "standard deviation,": "9,9,9,9,,9,9,9,,,,,",
        "pooled,": f"{','.join(map(str, pooled))},1,0.5,,,{','.join(map(str, of_class))},0.1,0.2",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([BREASTS, *[f"{name},{cells}" for name, cells in rows.items()], ""]))
    return str(path)


@pytest.fixture
def breast_runs(tmp_path):
    """Two runs of a method, one of another."""
    return [
        breast_evaluation(tmp_path / name / "evaluation.csv", *scores)
        for name, scores in {
            "full0": ([0.8, 0.7, 0.75, 0.85], [0.6, 0.5, 0.55, 0.65], [0.82, 0.84, 0.95]),
            "full1": ([0.84, 0.74, 0.77, 0.89], [0.6, 0.5, 0.55, 0.65], [0.88, 0.86, 0.97]),
            "base": ([0.81, 0.6, 0.7, 0.8], [0.4, 0.3, 0.2, 0.1], [0.5, 0.6, 0.7]),
        }.items()
    ]


def test_mask_and_class_in_the_order_of_the_paper(breast_runs, tmp_path, capsys):
    main(f"full={breast_runs[0]},{breast_runs[1]}", f"base={breast_runs[2]}", out=str(tmp_path / "table"))
    rows = cells(capsys.readouterr().out)
    assert rows[0] == [
        *["method", "runs", "lesion IoU", "lesion Dice", "sensitivity", "precision"],
        *["class accuracy", "class F1", "class AUC", "class precision"],
    ]
    assert rows[2] == [
        *["full", "2", "72.00 (70.00 to 74.00)", "82.00 (80.00 to 84.00)", "76.00 (75.00 to 77.00)"],
        *["87.00 (85.00 to 89.00)", "50.00 (50.00 to 50.00)", "85.00 (82.00 to 88.00)", "96.00 (95.00 to 97.00)"],
        "85.00 (84.00 to 86.00)",
    ]
    assert rows[3] == ["base", "1", "60.00", "81.00 ≈", "70.00", "80.00", "50.00", "50.00", "70.00", "60.00"]
    assert rows[5][0].startswith("Cases: 2. Mask: means over images with a lesion; class: over all images, F1, AUC")
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")


def test_mask_pooled_over_pixels(breast_runs, tmp_path, capsys):
    main(f"base={breast_runs[2]}", out=str(tmp_path / "table"), rows="pooled")
    rows = cells(capsys.readouterr().out)
    assert rows[2] == ["base", "1", "30.00", "40.00", "20.00", "10.00", "50.00", "50.00", "70.00", "60.00"]
    assert rows[4][0].startswith("Cases: 2. Mask: over the pixels of images with a lesion; class: over all images, F1")


def test_rejects_rows_that_are_not_there(runs, gland_runs, breast_runs, tmp_path):
    for arguments, rows, message in [
        (
            [f"a={gland_runs[0]}"],
            "pooled testC",
            "has no row 'pooled testC'; choose one of mean, standard deviation, pool",
        ),
        ([f"a={gland_runs[0]}"], "a1", "has no row 'a1'"),
        ([f"a={breast_runs[0]}"], "pooled test", "has no row 'pooled test'; choose one of mean, standard deviation, p"),
        ([f"a={gland_runs[0]}+{gland_runs[1]}"], None, "case a1 is in another fold too"),
        ([f"a={runs[0]}"], "pooled", "has no pooled rows to choose from; leave out --rows"),
        ([f"a={runs[0]}", f"b={gland_runs[0]}"], None, "evaluation.csv: other cases than"),
    ]:
        with pytest.raises(InputError, match=message):
            main(*arguments, out=str(tmp_path / "table"), rows=rows)
    other = tmp_path / "other.csv"
    other.write_text(f"{GLANDS}\nz,testA,1,1,1,1,1,1\npooled,,1,1,1,1,1,\n")
    with pytest.raises(InputError, match="pooled scores of folds cannot be joined"):
        main(f"a={gland_runs[0]}+{other}", out=str(tmp_path / "table"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to merge"),
        (["{0}"], "write method=evaluation.csv"),
        (["ours={0}", "ours={1}"], "every method once"),
        (["ours=nowhere.csv"], "nowhere.csv: is not a table of an evaluation"),
        (["ours={0},{3}"], r"other.csv: other cases than .* \(b\); evaluate on one test set"),
        (["ours={4}"], "columns auc: none is a Dice"),
        (["ours={0}+{1}"], "case a is in another fold too; join folds"),
        (["ours={5}"], "empty.csv: has no case"),
        (["ours={0}+{6}"], "columns.csv: other columns than .*; join folds"),
    ],
)
def test_rejects_what_cannot_be_compared(runs, tmp_path, arguments, message):
    other = evaluation(tmp_path / "other.csv", {"a": [0.5] * 7})
    (tmp_path / "no_columns.csv").write_text("case,auc\na,1\n")
    (tmp_path / "empty.csv").write_text(HEAD + "\n")
    (tmp_path / "columns.csv").write_text("case,dice_WT\nc,0.5\n")
    paths = [*runs, other, *(tmp_path / f"{name}.csv" for name in ("no_columns", "empty", "columns"))]
    with pytest.raises(InputError, match=message):
        main(*[argument.format(*paths) for argument in arguments], out=str(tmp_path / "table"))
    assert not (tmp_path / "table.md").exists()


def test_command_line(runs, tmp_path, capsys):
    command_line(["tables", "--out", str(tmp_path / "table"), f"our own={runs[0]}"])
    assert capsys.readouterr().out == (tmp_path / "table.md").read_text()
