"""Evaluation tables and figures of lesion masks and image classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from ignite.engine import Engine

from .class_figures import draw_confusion, draw_reliability, draw_roc
from .evaluation_writer import EvaluationWriter
from .lesion_cohort import UNKNOWN, LesionCohort
from .lesion_scores import LESION_SCORES, score_mask
from .lesion_sections import class_section, mask_section
from .score_table import Draw, Panel, count_cases, draw_points, markdown_text, write_figure

__all__ = ["LesionEvaluation"]


class LesionEvaluation(EvaluationWriter):
    """Score mask and class of every image and write tables and figures.

    - ``evaluation.csv``: a row per case, then "mean", "standard deviation" and "pooled". The lesion scores are means
      over the images with a lesion, pooled over their pixels; scores of all images together are in "pooled" only;
    - ``evaluation.md``: the same in words, also per true class, with the confusion matrix;
    - ``evaluation.png``: the lesion scores and the true class's probability, a point per case;
    - ``reliability.png``; and ``confusion.png`` and ``roc.png`` if classes are known.

    A missed lesion has 0 in all four lesion scores. Images without a lesion have none of them, but
    "lesion_found_in_normal". Confidence is the probability of the most probable class, or of a pixel's value in the
    mask.

    Reads, of every decollated item, "case", "label" (1, H, W) and, if known, "class" from the batch, and "pred"
    (1, H, W), "uncertainty" (1, H, W) and "class_probabilities" (K,) from the output (`MaskAndClassd`).

    Leaves in `engine.state.metrics`, if they are defined: dice, iou, sensitivity, precision, means over images with a
    lesion; false_positive_normals, the share of the other images with a lesion found; accuracy, macro_f1, auc, ece of
    the class.

    With several processes attach it on all of them: the first one writes for all, and a case that several scored counts
    once.

    Args:
        output_dir: folder for the files.
        class_names: names of the K classes from 0 on.
        title: heading of the Markdown and of the figures.
        ground_class: the class without a lesion, for the contradictions of mask and class; a name that is not among
            the classes if all have one.
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
        sizes = [f"{name} {np.sum(cohort.true == number)}" for number, name in enumerate(self.class_names)]
        if unknown := len(cohort.cases) - len(cohort.true):
            sizes.append(f"{UNKNOWN} {unknown}")
        summary = [
            f"{count_cases(len(cohort.cases))}: {', '.join(sizes)}.",
            *mask_section(cohort, self.ground_class),
            *(class_section(cohort) if len(cohort.true) else []),
            *self.notes,
        ]
        self.logger.info("%s\n\n%s", self.title, markdown_text(*summary))
        figures = self._figures(cohort)
        self.write_files("evaluation", cohort.cases, cohort.below(), summary, figures.pop("evaluation.png"))
        for name, draw in figures.items():
            write_figure(self.folder / name, draw)

    def _figures(self, cohort: LesionCohort) -> dict[str, Draw | None]:
        """Return file names and what draws them; None where there is nothing to draw."""
        heading = f"{self.title}: {count_cases(len(cohort.cases))}"
        of_classes = {
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
            figures["confusion.png"] = partial(draw_confusion, counts=cohort.counts, **of_classes)
        areas = cohort.by_class["AUC"].to_numpy()
        if not np.isnan(areas).all():
            curves = {"true": cohort.true, "probabilities": cohort.probabilities, "areas": areas}
            figures["roc.png"] = partial(draw_roc, **curves, **of_classes)
        return figures


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
