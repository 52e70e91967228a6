"""What many images with a lesion mask and a class give together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..metrics import calibration_bins
from ..metrics.class_scores import class_scores, confusion_counts, one_vs_rest_auc
from .score_table import format_score, means, standard_deviations
from .scored_lesion_image import CALIBRATION_BINS, ScoredLesionImage, lesion_scores

__all__ = ["POOLED_ONLY", "UNKNOWN", "LesionCohort"]

POOLED_ONLY = (
    "macro_f1",
    "macro_precision",
    "auc",
    "class_expected_calibration_error",
    "mask_expected_calibration_error",
)
UNKNOWN = "class unknown"


class LesionCohort:
    """What images with a lesion mask and a class are together, whatever of it is known.

    Args:
        images: at least one.
        class_names: names of the K classes from 0 on.

    Attributes:
        images: as given.
        true: (N,), classes of the N images of known class.
        probabilities: (N, K), of these.
        counts: (K, K), their confusion matrix, true classes as rows.
        areas: (K,), under the ROC curves of every class against the others; NaN where there is none.
        class_bins: `calibration_bins` of the most probable class.
        mask_bins: `calibration_bins` of the pixels of all images.
        accuracy, macro_precision, macro_f1, auc: of the class; NaN where there is none.
        found_in_normal: share of the images without a lesion in which one was found; NaN if all have one.
    """

    def __init__(self, images: Sequence[ScoredLesionImage], class_names: Sequence[str]) -> None:
        self.images = images
        self.class_names = class_names
        known = [image for image in images if image.true_class is not None]
        self.true = np.array([image.true_class for image in known], int)
        self.probabilities = np.array([image.class_probabilities for image in known]).reshape(-1, len(class_names))
        predicted = np.array([image.predicted_class for image in known], int)
        self.counts = confusion_counts(self.true, predicted, len(class_names))
        self.areas = one_vs_rest_auc(self.true, self.probabilities)
        confidence = torch.as_tensor(self.probabilities).amax(dim=1)
        self.class_bins = calibration_bins(
            confidence, torch.as_tensor(self.true == predicted), CALIBRATION_BINS
        ).numpy()
        self.mask_bins = np.sum([image.mask_calibration for image in images], axis=0)
        scores = class_scores(self.counts)
        self.macro_precision, self.macro_f1, self.auc = (
            means(column[:, None])[0] for column in (scores.precision, scores.f1, self.areas)
        )
        self.accuracy, self.found_in_normal = means(
            np.array([[image.class_correct, image.found_in_normal] for image in images])
        )

    @property
    def class_error(self) -> float:
        """Expected calibration error of the class; NaN if none is known."""
        return _calibration_error(self.class_bins)

    @property
    def mask_error(self) -> float:
        """Expected calibration error over all pixels."""
        return _calibration_error(self.mask_bins)

    @property
    def with_lesion(self) -> dict[str, list[ScoredLesionImage]]:
        """The images with a lesion by the name of their true class, in the order of the classes."""
        images = [image for image in self.images if image.true_pixels]
        groups = {
            self._true_name(number): [image for image in images if image.true_class == number]
            for number in [*range(len(self.class_names)), None]
        }
        return {name or UNKNOWN: members for name, members in groups.items() if members}

    def _true_name(self, number: int | None) -> str:
        return "" if number is None else self.class_names[number]

    def case_rows(self) -> list[list[str]]:
        """Return the cells of every case, without scores that only all images together have."""
        return [
            [image.case, self._true_name(image.true_class), *map(format_score, scores)]
            for image, scores in zip(self.images, self._scores(), strict=True)
        ]

    def summary_rows(self) -> list[list[str]]:
        """Return the cells of the rows below the cases."""
        nothing = [np.nan] * len(POOLED_ONLY)
        together = [self.macro_f1, self.macro_precision, self.auc]
        together += [self.class_error, self.mask_error]
        pooled = [*lesion_scores(self.images), self.found_in_normal, self.accuracy, *[np.nan] * len(self.class_names)]
        rows = {
            "mean": [*means(self._scores()), *nothing],
            "standard deviation": [*standard_deviations(self._scores()), *nothing],
            "pooled": [*pooled, *together],
        }
        return [[name, "", *map(format_score, scores)] for name, scores in rows.items()]

    def _scores(self) -> np.ndarray:
        """Return what is known of every case: lesion scores, lesion found in a normal, class correct, probabilities."""
        return np.array(
            [
                [*lesion_scores([image]), image.found_in_normal, image.class_correct, *image.class_probabilities]
                for image in self.images
            ]
        )


def _calibration_error(bins: np.ndarray) -> float:
    """Return the expected calibration error of bins (M, 3), see `shared.metrics.calibration_bins`."""
    predictions, confidence, right = bins.T
    return float(np.abs(right - confidence).sum() / predictions.sum()) if predictions.any() else np.nan
