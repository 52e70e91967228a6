"""Counts of one gland image for an evaluation, and scores of many images together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import GRADES
from ..errors import InputError
from ..metrics import ObjectSums, object_sums

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["gland_scores", "score_glands"]


def score_glands(item: Mapping[str, Any], result: Mapping[str, Any], pixel_size_um: float) -> dict[str, Any]:
    """Compare the prediction of an image with its annotation.

    Args:
        item: "case", "instances" (1, H, W), "label" (1, H, W), and as far as known "part" and "grade".
        result: "pred_instances" (1, H, W); "pred" (1, H, W), without which pixels are not scored;
            "class_probabilities" (2,), with NaN of which the grade is not.
        pixel_size_um: edge of a pixel in micrometres.

    Returns:
        "case", "part" ("" for none), the fields of `ObjectSums`, "right_pixels", "pixels", "grade" (None if it is not
        known), "predicted_grade", "malignant_probability".

    Raises:
        InputError: there is no annotation.
    """
    for key in ("instances", "label"):
        if key not in item:
            raise InputError(f"case {item['case']} has no {key}; evaluate images whose glands are annotated.")
    has_pixels, probabilities = "pred" in result, result["class_probabilities"].tolist()
    right = result["pred"] == item["label"].to(result["pred"].device) if has_pixels else np.zeros(0, dtype=bool)
    has_grade = not np.isnan(probabilities).any()
    return {
        "case": str(item["case"]),
        "part": str(item.get("part", "")),
        **asdict(object_sums(result["pred_instances"][0], item["instances"][0], pixel_size_um)),
        "right_pixels": int(right.sum()),
        "pixels": int(np.prod(right.shape)),
        "grade": int(item["grade"]) if "grade" in item and has_grade else None,
        "predicted_grade": int(np.argmax(probabilities)),
        "malignant_probability": probabilities[GRADES.index("malignant")],
    }


def gland_scores(images: DataFrame) -> dict[str, float]:
    """Return the scores of all images together (rows of `score_glands`); NaN for the class if no grade is known."""
    objects = ObjectSums(**{field.name: images[field.name].sum() for field in fields(ObjectSums)})
    known = images[images["grade"].notna()]
    return {
        "object_f1": objects.f1,
        "object_dice": objects.dice,
        "object_hausdorff_um": objects.hausdorff_um,
        "pixel_accuracy": images["right_pixels"].sum() / pixels if (pixels := images["pixels"].sum()) else np.nan,
        "class_correct": (known["predicted_grade"] == known["grade"]).mean(),
    }
