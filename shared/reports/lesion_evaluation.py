"""Evaluation tables and figures of lesion masks and image classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from ignite.engine import Engine

from ..transforms import class_contradiction
from .class_figures import draw_confusion, draw_reliability, draw_roc
from .evaluation_writer import EvaluationWriter
from .lesion_cohort import UNKNOWN, LesionCohort
from .lesion_scores import CALIBRATION_BINS, LESION_SCORES, score_mask
from .mean_interval import INTERVAL, INTERVAL_NOTE, interval_texts
from .score_table import (
    Draw,
    Panel,
    count_cases,
    draw_points,
    format_score,
    markdown_table,
    markdown_text,
    plus_minus,
    write_figure,
)

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["LesionEvaluation"]

LESION_NOTE = (
    "Over the images with a lesion. Mean: ± sample standard deviation; a missed lesion counts as 0 in all four. "
    f"Pooled: over the pixels of these images together. {INTERVAL_NOTE}"
)
CLASS_NOTE = (
    "A row per true class. Macro: mean over the classes that occur among the true or the predicted ones; precision is "
    "0 for one that was never predicted, recall 0 for one that does not occur. AUC: mean over the classes that occur, "
    "each against the others."
)


class LesionEvaluation(EvaluationWriter):
    """Score mask and class of every image and write tables and figures.

    - ``evaluation.csv``: a row per case; "mean" and "standard deviation" over the cases, the four lesion scores over
      those with a lesion only; "pooled" over the pixels of these, and all that is a score of all images together;
    - ``evaluation.md``: the same in words, per true class as well, with the confusion matrix;
    - ``evaluation.png``: the lesion scores and the true class's probability, a point per case;
    - ``confusion.png``, ``roc.png``, ``reliability.png``; the first two only if classes are known.

    A lesion that was missed has 0 in all four scores. Images without a lesion have none of them, but
    "lesion_found_in_normal". Confidence is the probability of the most probable class, and of the value that a pixel
    has in the mask.

    Reads, of every decollated item, "case", "label" (1, H, W) and, if known, "class" from the batch, and "pred"
    (1, H, W), "uncertainty" (1, H, W) and "class_probabilities" (K,) from the output (`MaskAndClassd`). Leaves in
    `engine.state.metrics`, as far as there are such: the means dice, iou, sensitivity, precision over images with a
    lesion; false_positive_normals, the share of the others in which one was found; accuracy, macro_f1, auc, ece of the
    class.

    With several processes attach it on all of them; the first one writes, for all, and a case that several scored
    counts once.

    Args:
        output_dir: folder for the files.
        class_names: names of the K classes from 0 on.
        title: heading of the Markdown and of the figures.
        ground_class: the class without a lesion, so that contradictions of mask and class are counted; a name that is
            not among the classes if all have one.
        notes: sentences below the Markdown's tables, such as where the labels come from.
    """

    def __init__(
        self,
        output_dir: str,
        class_names: Sequence[str],
        title: str,
        ground_class: str = "normal",
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(output_dir, title, notes)
        self.class_names = list(class_names)
        self.ground_class = ground_class

    def score(self, item: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
        """Return counts of pixels and probabilities of an image."""
        return score_mask(item, result, len(self.class_names))

    def write(self, engine: Engine) -> None:
        """Write the files, log the summary and leave the scores in the engine's metrics."""
        cohort = LesionCohort(self.all_cases(), self.class_names)
        metrics = {
            **cohort.cases[LESION_SCORES].mean(),
            "false_positive_normals": cohort.pooled["lesion_found_in_normal"],
            "accuracy": cohort.pooled["class_correct"],
            "macro_f1": cohort.pooled["macro_f1"],
            "auc": cohort.pooled["auc"],
            "ece": cohort.pooled["class_expected_calibration_error"],
        }
        engine.state.metrics.update({name: score for name, score in metrics.items() if not np.isnan(score)})
        if engine.state.rank != 0:
            return
        summary = [*self._mask_section(cohort), *(self._class_section(cohort) if len(cohort.true) else []), *self.notes]
        sizes = [f"{name} {np.sum(cohort.true == number)}" for number, name in enumerate(self.class_names)]
        unknown = len(cohort.cases) - len(cohort.true)
        sizes += [f"{UNKNOWN} {unknown}"] * (unknown > 0)
        summary.insert(0, f"{count_cases(len(cohort.cases))}: {', '.join(sizes)}.")
        self.logger.info("%s\n\n%s", self.title, markdown_text(*summary))
        figures = self._figures(cohort)
        self.write_files("evaluation", cohort.cases, cohort.below(), summary, figures.pop("evaluation.png"))
        for name, draw in figures.items():
            write_figure(self.folder / name, draw)

    def _figures(self, cohort: LesionCohort) -> dict[str, Draw | None]:
        """Return file names and what draws them; None where there is nothing to draw."""
        heading = f"{self.title}: {count_cases(len(cohort.cases))}"
        known = {
            "title": f"{self.title}: {count_cases(len(cohort.true))} of known class",
            "class_names": self.class_names,
        }
        figures: dict[str, Draw | None] = dict.fromkeys(["evaluation.png", "confusion.png", "roc.png"])
        bins = {"class, over images": cohort.class_bins.numpy()} if len(cohort.true) else {}
        bins["mask, over pixels"] = cohort.mask_bins.numpy()
        figures["reliability.png"] = partial(draw_reliability, panels=bins, title=heading)
        if panels := _panels(cohort):
            figures["evaluation.png"] = partial(draw_points, heading=f"{heading}, bar = mean", panels=panels)
        if len(cohort.true):
            figures["confusion.png"] = partial(draw_confusion, counts=cohort.counts, **known)
        areas = cohort.by_class["AUC"].to_numpy()
        if not np.isnan(areas).all():
            curves = {"true": cohort.true, "probabilities": cohort.probabilities, "areas": areas}
            figures["roc.png"] = partial(draw_roc, **curves, **known)
        return figures

    def _mask_section(self, cohort: LesionCohort) -> list[str | list[str]]:
        from pandas import DataFrame

        lesions = cohort.cases.dropna(subset="dice")
        groups = {f"mean {name}": members for name, members in cohort.with_lesion.items()} | {"mean": lesions}
        rows = {}
        for name, of in groups.items():
            rows[name] = {"images": len(of), **plus_minus(of[LESION_SCORES])}
            if len(of) > 1:
                rows[f"{name}, {INTERVAL}"] = {"images": "", **interval_texts(of[LESION_SCORES])}
        rows["pooled"] = {"images": len(lesions), **{name: cohort.pooled[name] for name in LESION_SCORES}}
        normals = cohort.cases["lesion_found_in_normal"].dropna()
        error = format_score(cohort.pooled["mask_expected_calibration_error"])
        return [
            "## Mask",
            markdown_table(DataFrame(rows.values(), rows)),
            LESION_NOTE,
            f"Images without a lesion: {len(normals)}; a lesion is segmented in {int(normals.sum())} of them.",
            f"Expected calibration error over all pixels, {CALIBRATION_BINS} bins: {error}.",
            self._contradictions(cohort.images),
        ]

    def _contradictions(self, images: DataFrame) -> str:
        images = images[images["has_class"]]
        found = [
            class_contradiction(self.class_names[predicted], self.ground_class, pixels > 0)
            for predicted, pixels in zip(images["predicted_class"], images["found_pixels"], strict=True)
        ]
        counts = [f"{sentence}: {found.count(sentence)}" for sentence in sorted({text for text in found if text})]
        return f"Contradictions of mask and class: {'; '.join(counts) or 'none'}."

    def _class_section(self, cohort: LesionCohort) -> list[str | list[str]]:
        from pandas import DataFrame

        scores = {
            "accuracy": "class_correct",
            "macro F1": "macro_f1",
            "macro precision": "macro_precision",
            "AUC": "auc",
            f"calibration error, {CALIBRATION_BINS} bins": "class_expected_calibration_error",
        }
        total = DataFrame({head: cohort.pooled[name] for head, name in scores.items()}, ["all images of known class"])
        columns = [f"predicted {name}" for name in self.class_names]
        by_class = DataFrame(cohort.counts, self.class_names, columns).join(cohort.by_class)
        return ["## Class", markdown_table(total), markdown_table(by_class.rename_axis("true class")), CLASS_NOTE]


def _panels(cohort: LesionCohort) -> list[Panel]:
    """Return a panel per lesion score and one of the true class's probability, a column of points per class."""
    panels = {
        score.capitalize() if score != "iou" else "IoU": {name: of[score] for name, of in cohort.with_lesion.items()}
        for score in LESION_SCORES
    }
    of_true = {name: cohort.probabilities[cohort.true == k, k] for k, name in enumerate(cohort.by_class.index)}
    panels["Probability of the true class"] = {name: found for name, found in of_true.items() if len(found)}
    return [
        (title, {name: (scores, scores.mean()) for name, scores in columns.items()})
        for title, columns in panels.items()
        if columns
    ]
