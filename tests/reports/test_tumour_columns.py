from shared.reports import tumour_columns


def test_columns_of_four_classes():
    columns = tumour_columns()
    assert columns["dice"] == ["dice_WT", "dice_TC", "dice_ET", "dice_ET_pp500"]
    assert columns["hausdorff_95"][::3] == ["hausdorff_95_mm_WT", "hausdorff_95_mm_ET_pp500"]
    assert columns["calibration_error"] == ["expected_calibration_error"]
    assert columns["sensitivity_precision"][:3] == ["sensitivity_WT", "precision_WT", "sensitivity_TC"]
    assert columns["lesion_wise"][:7] == [
        *("lesion_dice_WT", "lesion_hausdorff_95_mm_WT", "lesion_f1_WT"),
        *("matched_lesion_dice_WT", "matched_lesion_surface_dice_WT", "matched_lesion_f1_WT"),
        "lesion_dice_TC",
    ]
    assert {name: len(names) for name, names in columns.items()} == {
        "dice": 4,
        "hausdorff_95": 4,
        "calibration_error": 1,
        "one_empty": 4,
        "surface_dice": 4,
        "sensitivity_precision": 8,
        "lesion_wise": 24,
    }


def test_a_resection_cavity_adds_three_regions():
    assert [name.removeprefix("dice_") for name in tumour_columns(5)["dice"]][4:] == ["NETC", "SNFH", "RC"]
    assert len(tumour_columns(5)["lesion_wise"]) == 7 * 6
