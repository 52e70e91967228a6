"""Names of the columns of an evaluation table of brain tumours."""

from __future__ import annotations

from ..transforms import region_names

__all__ = ["tumour_columns"]

PREFIXES = {  # metric -> what comes before a region's name; several: columns that follow one another
    "dice": ("dice",),
    "hausdorff_95": ("hausdorff_95_mm",),
    "calibration_error": (),
    "one_empty": ("one_empty",),
    "surface_dice": ("surface_dice",),
    "sensitivity_precision": ("sensitivity", "precision"),
    "lesion_wise": (
        "lesion_dice",
        "lesion_hausdorff_95_mm",
        "lesion_f1",
        "matched_lesion_dice",
        "matched_lesion_surface_dice",
        "matched_lesion_f1",
    ),
}


def tumour_columns(num_classes: int = 4) -> dict[str, list[str]]:
    """Return the columns of every metric for `EvaluationTable`, region by region in the order of `TumourRegions`.

    Args:
        num_classes: background included; five with a resection cavity.
    """
    columns = {
        metric: [f"{prefix}_{region}" for region in region_names(num_classes) for prefix in prefixes]
        for metric, prefixes in PREFIXES.items()
    }
    return {**columns, "calibration_error": ["expected_calibration_error"]}
