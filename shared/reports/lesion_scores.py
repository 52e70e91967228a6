"""Counts of one image with a lesion mask and a class for an evaluation, and the lesion scores of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..metrics import calibration_bins

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CALIBRATION_BINS", "LESION_SCORES", "lesion_scores", "score_mask"]

CALIBRATION_BINS = 10
LESION_SCORES = ["dice", "iou", "sensitivity", "precision"]


def score_mask(item: Mapping[str, Any], result: Mapping[str, Any], num_classes: int) -> dict[str, Any]:
    """Compare the prediction of an image with its annotation.

    Args:
        item: "case", "label" (1, H, W), 0 or 1, and "class" if it is known.
        result: "pred" (1, H, W), 0 or 1, "uncertainty" (1, H, W), 1 - the probability of the value in pred, and
            "class_probabilities" (K,); NaN, from predictions without a class: none is scored then.
        num_classes: K.

    Returns:
        "case"; the lesion's pixels in the annotation, the segmentation and both as "true_pixels", "found_pixels" and
        "common_pixels"; `calibration_bins` of the pixels' labels as "mask_calibration"; "true_class" (None if it is not
        known); "class_probabilities".

    Raises:
        InputError: there is no annotation.
    """
    if "label" not in item:
        raise InputError(f"case {item['case']} has no mask; evaluate images whose lesions are outlined.")
    found = result["pred"] > 0
    true = item["label"].to(found.device) > 0
    if true.shape != found.shape:
        raise ValueError(f"case {item['case']}: label {tuple(true.shape)} and pred {tuple(found.shape)} must agree.")
    probabilities = result["class_probabilities"].tolist()
    if len(probabilities) != num_classes:
        raise ValueError(f"class_names must name {len(probabilities)} classes, as there are; it names {num_classes}.")
    return {
        "case": str(item["case"]),
        "true_pixels": int(true.sum()),
        "found_pixels": int(found.sum()),
        "common_pixels": int((true & found).sum()),
        "mask_calibration": calibration_bins(1 - result["uncertainty"], true == found, CALIBRATION_BINS).tolist(),
        "true_class": int(item["class"]) if "class" in item and probabilities[0] == probabilities[0] else None,
        "class_probabilities": probabilities,
    }


def lesion_scores(images: DataFrame) -> DataFrame:
    """Return LESION_SCORES of every row of `score_mask`: NaN without a lesion, all 0 if nothing of it was found."""
    from pandas import DataFrame

    true, found, common = (images[f"{name}_pixels"] for name in ("true", "found", "common"))
    ratios = [2 * common / (true + found), common / (true + found - common), common / true, common / found.clip(1)]
    return DataFrame(dict(zip(LESION_SCORES, ratios, strict=True))).where(true > 0)
