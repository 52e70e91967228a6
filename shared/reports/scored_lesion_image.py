"""What one image with a lesion mask and a class contributes to an evaluation, and what many give together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..metrics import calibration_bins

__all__ = ["CALIBRATION_BINS", "LESION_SCORES", "ScoredLesionImage", "lesion_scores", "score_mask"]

CALIBRATION_BINS = 10
LESION_SCORES = ("dice", "iou", "sensitivity", "precision")


@dataclass(frozen=True)
class ScoredLesionImage:
    """One image's share in every score.

    Attributes:
        case: its name.
        true_pixels: lesion pixels in the annotation.
        found_pixels: lesion pixels in the segmentation.
        common_pixels: lesion pixels in both.
        mask_calibration: `calibration_bins` of the pixels' labels, as lists.
        true_class: None if it is not known.
        class_probabilities: K numbers.
    """

    case: str
    true_pixels: int
    found_pixels: int
    common_pixels: int
    mask_calibration: list[list[float]]
    true_class: int | None
    class_probabilities: list[float]

    @property
    def predicted_class(self) -> int:
        """The most probable class; of equal ones the first."""
        return int(np.argmax(self.class_probabilities))

    @property
    def class_correct(self) -> float:
        """1 or 0; NaN if the true class is not known."""
        return np.nan if self.true_class is None else float(self.predicted_class == self.true_class)

    @property
    def found_in_normal(self) -> float:
        """1 if a lesion was found where there is none, 0 if not; NaN where there is one."""
        return np.nan if self.true_pixels else float(self.found_pixels > 0)


def score_mask(item: Mapping[str, Any], result: Mapping[str, Any], num_classes: int) -> ScoredLesionImage:
    """Compare the prediction of an image with its annotation.

    Args:
        item: "case", "label" (1, H, W), 0 or 1, and "class" if it is known.
        result: "pred" (1, H, W), 0 or 1, "uncertainty" (1, H, W), 1 - the probability of the value in pred, and
            "class_probabilities" (K,).
        num_classes: K.

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
    return ScoredLesionImage(
        case=str(item["case"]),
        true_pixels=int(true.sum()),
        found_pixels=int(found.sum()),
        common_pixels=int((true & found).sum()),
        mask_calibration=calibration_bins(1 - result["uncertainty"], true == found, CALIBRATION_BINS).tolist(),
        true_class=int(item["class"]) if "class" in item else None,
        class_probabilities=probabilities,
    )


def lesion_scores(images: Sequence[ScoredLesionImage]) -> list[float]:
    """Return LESION_SCORES over the pixels of all images that have a lesion; all 0 if nothing of it was found.

    Images without a lesion do not count; NaN if there are no others.
    """
    with_lesion = [image for image in images if image.true_pixels]
    true = sum(image.true_pixels for image in with_lesion)
    found = sum(image.found_pixels for image in with_lesion)
    common = sum(image.common_pixels for image in with_lesion)
    if not with_lesion:
        return [np.nan] * len(LESION_SCORES)
    return [2 * common / (true + found), common / (true + found - common), common / true, common / max(found, 1)]
