"""What one segmented and graded image contributes to an evaluation, and what many give together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import GRADES
from ..errors import InputError
from ..metrics import ObjectSums, object_sums

__all__ = ["SCORES", "ScoredGlandImage", "image_of", "pooled_scores", "score_image"]

SCORES = (
    "object_f1",
    "object_dice",
    "object_hausdorff_um",
    "pixel_accuracy",
    "class_correct",
    "malignant_probability",
)


@dataclass(frozen=True)
class ScoredGlandImage:
    """One image's share in every score.

    Attributes:
        case: its name.
        part: of the data set; "" for none.
        objects: what the objects' scores are made of.
        right_pixels: pixels with the right state.
        pixels: all pixels.
        grade: true class; None if it is not known.
        predicted_grade: most probable class.
        malignant_probability: in [0, 1].
    """

    case: str
    part: str
    objects: ObjectSums
    right_pixels: int
    pixels: int
    grade: int | None
    predicted_grade: int
    malignant_probability: float

    def scores(self) -> list[float]:
        """Return the numbers that means are taken of; where no Hausdorff distance is defined, the image's diagonal."""
        return [*pooled_scores([self])[:-1], self.malignant_probability]

    def shown_scores(self) -> list[float]:
        """Return the same with inf where no Hausdorff distance is defined."""
        scores = dict(zip(SCORES, self.scores(), strict=True))
        if self.objects.one_sided:
            scores["object_hausdorff_um"] = np.inf
        return list(scores.values())


def score_image(item: Mapping[str, Any], result: Mapping[str, Any], pixel_size_um: float) -> ScoredGlandImage:
    """Compare the prediction of an image with its annotation.

    Args:
        item: "case", "instances" (1, H, W), "label" (1, H, W), and as far as known "part" and "grade".
        result: "pred" (1, H, W), "pred_instances" (1, H, W), "class_probabilities" (2,).
        pixel_size_um: edge of a pixel in micrometres.

    Raises:
        InputError: there is no annotation.
    """
    for key in ("instances", "label"):
        if key not in item:
            raise InputError(f"case {item['case']} has no {key}; evaluate images whose glands are annotated.")
    right = result["pred"] == item["label"].to(result["pred"].device)
    probabilities = result["class_probabilities"].tolist()
    return ScoredGlandImage(
        case=str(item["case"]),
        part=str(item.get("part", "")),
        objects=object_sums(result["pred_instances"][0], item["instances"][0], pixel_size_um),
        right_pixels=int(right.sum()),
        pixels=right.numel(),
        grade=int(item["grade"]) if "grade" in item else None,
        predicted_grade=int(np.argmax(probabilities)),
        malignant_probability=probabilities[GRADES.index("malignant")],
    )


def image_of(objects: Mapping[str, Any], **fields: Any) -> ScoredGlandImage:
    """Make a `ScoredGlandImage` of plain values again, those of its objects in a mapping."""
    return ScoredGlandImage(objects=ObjectSums(**objects), **fields)


def pooled_scores(images: Sequence[ScoredGlandImage]) -> list[float]:
    """Return the scores of all images together, in the order of SCORES; NaN for the probability, which has none."""
    objects = sum((image.objects for image in images), ObjectSums())
    pixel_accuracy = sum(image.right_pixels for image in images) / sum(image.pixels for image in images)
    right = [image.predicted_grade == image.grade for image in images if image.grade is not None]
    class_accuracy = sum(right) / len(right) if right else np.nan
    return [objects.f1, objects.dice, objects.hausdorff_um, pixel_accuracy, class_accuracy, np.nan]
