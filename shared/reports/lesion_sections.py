"""Sections of the Markdown of a lesion evaluation: one on the masks, one on the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..transforms import class_contradiction
from .lesion_cohort import LesionCohort
from .lesion_scores import CALIBRATION_BINS, LESION_SCORES
from .mean_interval import INTERVAL, INTERVAL_NOTE, interval_texts
from .score_table import format_score, markdown_table, plus_minus

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["class_section", "mask_section"]

LESION_NOTE = (
    "Over the images with a lesion. Mean: ± sample standard deviation; a missed lesion counts as 0 in all four. "
    f"Pooled: over the pixels of these images together. {INTERVAL_NOTE}"
)
CLASS_NOTE = (
    "A row per true class. Macro: mean over the classes that occur among the true or the predicted ones; precision is "
    "0 for one that was never predicted, recall 0 for one that does not occur. AUC: mean over the classes that occur, "
    "each against the others."
)


def mask_section(cohort: LesionCohort, ground_class: str) -> list[str | list[str]]:
    """Return the lesion scores per true class, of all and pooled, and what was found in images without a lesion.

    Args:
        cohort: scores of the images.
        ground_class: see `class_contradiction`.
    """
    from pandas import DataFrame

    lesions = cohort.cases.dropna(subset="dice")
    groups = {f"mean {name}": members for name, members in cohort.with_lesion.items()} | {"mean": lesions}
    rows = {}
    for name, members in groups.items():
        rows[name] = {"images": len(members), **plus_minus(members[LESION_SCORES])}
        if len(members) > 1:
            rows[f"{name}, {INTERVAL}"] = {"images": "", **interval_texts(members[LESION_SCORES])}
    rows["pooled"] = {"images": len(lesions), **{name: cohort.pooled[name] for name in LESION_SCORES}}
    normals = cohort.cases["lesion_found_in_normal"].dropna()
    error = format_score(cohort.pooled["mask_expected_calibration_error"])
    return [
        "## Mask",
        markdown_table(DataFrame(rows.values(), rows)),
        LESION_NOTE,
        f"Images without a lesion: {len(normals)}; a lesion is segmented in {int(normals.sum())} of them.",
        f"Expected calibration error over all pixels, {CALIBRATION_BINS} bins: {error}.",
        _contradictions(cohort.images, list(cohort.by_class.index), ground_class),
    ]


def class_section(cohort: LesionCohort) -> list[str | list[str]]:
    """Return the scores of all images of known class, and of each class with its row of the confusion matrix."""
    from pandas import DataFrame

    scores = {
        "accuracy": "class_correct",
        "macro F1": "macro_f1",
        "macro precision": "macro_precision",
        "AUC": "auc",
        f"calibration error, {CALIBRATION_BINS} bins": "class_expected_calibration_error",
    }
    total = DataFrame({head: cohort.pooled[name] for head, name in scores.items()}, ["all images of known class"])
    class_names = list(cohort.by_class.index)
    counts = DataFrame(cohort.counts, class_names, [f"predicted {name}" for name in class_names])
    by_class = counts.join(cohort.by_class).rename_axis("true class")
    return ["## Class", markdown_table(total), markdown_table(by_class), CLASS_NOTE]


def _contradictions(images: DataFrame, class_names: list[str], ground_class: str) -> str:
    """Count the images whose class and mask exclude each other, by the sentence about them."""
    images = images[images["has_class"]]
    found = [
        class_contradiction(class_names[predicted], ground_class, pixels > 0)
        for predicted, pixels in zip(images["predicted_class"], images["found_pixels"], strict=True)
    ]
    counts = [f"{sentence}: {found.count(sentence)}" for sentence in sorted({text for text in found if text})]
    return f"Contradictions of mask and class: {'; '.join(counts) or 'none'}."
