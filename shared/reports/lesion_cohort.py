"""Scores of all images with a lesion mask and a class together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ..metrics import calibration_bins, class_scores, confusion_counts, error_of_bins, one_vs_rest_auc
from .lesion_scores import CALIBRATION_BINS, lesion_scores
from .score_table import mean_and_deviation

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["UNKNOWN", "LesionCohort"]

UNKNOWN = "class unknown"


class LesionCohort:
    """Scores of images with a lesion mask and a class together, as far as they are known.

    Args:
        images: rows of `score_mask` by case, at least one.
        class_names: names of the K classes from 0 on.

    Attributes:
        images: as given, with "predicted_class", the most probable one, of equal ones the first, and "has_class":
            whether there is one.
        cases: a row per case: "true_class" (its name), the lesion scores, whether a lesion was found where there is
            none, whether the class is right, probabilities; NaN for what is not known.
        with_lesion: the cases with a lesion by the name of their true class, in the order of the classes.
        true: (N,), classes of the N images of known class.
        probabilities: (N, K), of these.
        counts: (K, K), their confusion matrix, true classes as rows.
        by_class: a row per class: number of images, precision, recall, F1 and AUC against the others.
        class_bins: `calibration_bins` of the most probable class.
        mask_bins: `calibration_bins` of the pixels of all images.
        together: scores that only all images together have; NaN where there is none.
        pooled: the columns of `cases` over the pixels of all images with a lesion, and `together`.
    """

    def __init__(self, images: DataFrame, class_names: Sequence[str]) -> None:
        from pandas import DataFrame

        chances = DataFrame(images["class_probabilities"].tolist(), images.index, range(len(class_names)))
        self.images = images.assign(predicted_class=chances.fillna(0).idxmax(axis=1), has_class=chances[0].notna())
        is_known, has_lesion = images["true_class"].notna(), images["true_pixels"] > 0
        is_right = self.images["predicted_class"] == images["true_class"]
        self.cases = lesion_scores(images).assign(
            lesion_found_in_normal=(images["found_pixels"] > 0).astype(float).mask(has_lesion),
            class_correct=is_right.astype(float).where(is_known),
            **{f"probability_{name}": chances[number] for number, name in enumerate(class_names)},
        )
        self.cases.insert(0, "true_class", images["true_class"].map(dict(enumerate(class_names))).astype("str"))
        lesions = dict(iter(self.cases[has_lesion].groupby(self.cases["true_class"].fillna(UNKNOWN))))
        self.with_lesion = {name: lesions[name] for name in [*class_names, UNKNOWN] if name in lesions}

        self.true = images["true_class"][is_known].to_numpy(int)
        self.probabilities = chances[is_known].to_numpy(copy=True)
        self.counts = confusion_counts(self.true, self.images["predicted_class"][is_known], len(class_names))
        self.by_class = class_scores(self.counts).set_axis(class_names)
        self.by_class.insert(0, "images", self.counts.sum(axis=1))
        self.by_class["AUC"] = one_vs_rest_auc(self.true, self.probabilities)
        confidence, is_right = torch.tensor(self.probabilities).amax(dim=1), torch.tensor(is_right[is_known].tolist())
        self.class_bins = calibration_bins(confidence, is_right, CALIBRATION_BINS)
        self.mask_bins = torch.tensor(images["mask_calibration"].tolist(), dtype=torch.float64).sum(dim=0)
        macro = self.by_class.mean()
        self.together = {
            "macro_f1": macro["F1"],
            "macro_precision": macro["precision"],
            "auc": macro["AUC"],
            "class_expected_calibration_error": error_of_bins(self.class_bins).item(),
            "mask_expected_calibration_error": error_of_bins(self.mask_bins).item(),
        }
        pixels = images.loc[has_lesion, ["true_pixels", "found_pixels", "common_pixels"]].sum().to_frame().T
        self.pooled = {
            **lesion_scores(pixels).iloc[0],
            **self.cases[["lesion_found_in_normal", "class_correct"]].mean(),
            **self.together,
        }

    def below(self) -> DataFrame:
        """Return what is below the cases in their table: mean, standard deviation and pooled scores."""
        from pandas import DataFrame, concat

        return concat([mean_and_deviation(self.cases.drop(columns="true_class")), DataFrame([self.pooled], ["pooled"])])
