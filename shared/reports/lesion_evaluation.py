"""Write what an evaluation of lesion masks and image classes found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine

from ..atomic_write import atomic_write
from ..metrics.class_scores import class_scores
from ..transforms import class_contradiction
from .class_figures import draw_confusion, draw_reliability, draw_roc
from .evaluation_writer import EvaluationWriter
from .gather_cases import gather_cases
from .lesion_cohort import POOLED_ONLY, UNKNOWN, LesionCohort
from .score_table import (
    Points,
    count_cases,
    draw_points,
    format_score,
    markdown_table,
    means,
    plus_minus,
    standard_deviations,
    write_rows,
)
from .scored_lesion_image import CALIBRATION_BINS, LESION_SCORES, ScoredLesionImage, lesion_scores, score_mask

__all__ = ["LesionEvaluation"]

LESION_NOTE = (
    "Over the images with a lesion. Mean: ± sample standard deviation; a missed lesion counts as 0 in all four. "
    "Pooled: over the pixels of these images together."
)
CLASS_NOTE = (
    "A row per true class. Macro: mean over the classes that occur among the true or the predicted ones; precision is "
    "0 for one that was never predicted, recall 0 for one that does not occur. AUC: mean over the classes that occur, "
    "each against the others."
)


class LesionEvaluation(EvaluationWriter[ScoredLesionImage]):
    """Score mask and class of every image and write tables and pictures.

    - ``evaluation.csv``: a row per case; "mean" and "standard deviation" over the cases, the four lesion scores over
      those with a lesion only; "pooled" over the pixels of these, and all that is a score of all images together;
    - ``evaluation.md``: the same in words, per true class as well, with the confusion matrix;
    - ``evaluation.png``: the lesion scores and the true class's probability, a point per case;
    - ``confusion.png``, ``roc.png``, ``reliability.png``; the first two only if classes are known.

    A lesion of which nothing was found has 0 in all four scores. Images without a lesion have none of them, but
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
        title: heading of the Markdown and of the pictures.
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

    def score(self, item: Mapping[str, Any], result: Mapping[str, Any]) -> ScoredLesionImage:
        """Return counts of pixels and probabilities of an image."""
        return score_mask(item, result, len(self.class_names))

    def write(self, engine: Engine) -> None:
        """Write the files, log the summary and leave the scores in the engine's metrics."""
        cohort = LesionCohort(gather_cases(self.cases, ScoredLesionImage), self.class_names)
        metrics = dict(
            zip(LESION_SCORES, means(np.array([lesion_scores([image]) for image in cohort.images])), strict=True)
        )
        metrics |= {"false_positive_normals": cohort.found_in_normal, "accuracy": cohort.accuracy}
        metrics |= {"macro_f1": cohort.macro_f1, "auc": cohort.auc, "ece": cohort.class_error}
        engine.state.metrics.update({name: score for name, score in metrics.items() if not np.isnan(score)})
        if engine.state.rank != 0:
            return
        names = [*LESION_SCORES, "lesion_found_in_normal", "class_correct"]
        names += [f"probability_{name}" for name in self.class_names]
        with atomic_write(self.folder / "evaluation.csv") as path:
            rows = [[*row, *[""] * len(POOLED_ONLY)] for row in cohort.case_rows()] + cohort.summary_rows()
            write_rows(path, ["case", "true_class", *names, *POOLED_ONLY], rows)
        markdown = self._markdown(cohort, names)
        with atomic_write(self.folder / "evaluation.md") as path:
            path.write_text("\n".join(markdown) + "\n", encoding="utf-8")
        for name, draw in self._pictures(cohort).items():
            if draw is None:
                (self.folder / name).unlink(missing_ok=True)  # of an earlier evaluation
                continue
            with atomic_write(self.folder / name) as path:
                draw(path)
        self.logger.info("\n".join([self.title, *markdown[1 : markdown.index("## Cases")]]))
        self.logger.info("Written: %s (.md, .png)", self.folder / "evaluation.csv")

    def _pictures(self, cohort: LesionCohort) -> dict[str, Callable[[Path], None] | None]:
        """Return file names and what draws them; None where there is nothing to draw."""
        heading = f"{self.title}: {count_cases(len(cohort.images))}"
        panels = _panels(cohort)
        known = f"{self.title}: {count_cases(len(cohort.true))} of known class"
        curves = (cohort.true, cohort.probabilities, cohort.areas, self.class_names, known)
        reliability = {"class, over images": cohort.class_bins} if len(cohort.true) else {}
        reliability["mask, over pixels"] = cohort.mask_bins
        return {
            "evaluation.png": (lambda path: draw_points(path, f"{heading}, bar = mean", panels)) if panels else None,
            "confusion.png": (
                (lambda path: draw_confusion(path, cohort.counts, self.class_names, known))
                if len(cohort.true)
                else None
            ),
            "roc.png": (lambda path: draw_roc(path, *curves)) if not np.isnan(cohort.auc) else None,
            "reliability.png": lambda path: draw_reliability(path, reliability, heading),
        }

    def _markdown(self, cohort: LesionCohort, names: Sequence[str]) -> list[str]:
        images, known = cohort.images, [image for image in cohort.images if image.true_class is not None]
        sizes = [f"{name} {sum(image.true_class == k for image in known)}" for k, name in enumerate(self.class_names)]
        sizes += [f"{UNKNOWN} {len(images) - len(known)}"] * (len(known) < len(images))
        return [
            f"# {self.title}",
            "",
            f"{count_cases(len(images))}: {', '.join(sizes)}.",
            "",
            *self._mask_section(cohort),
            *(self._class_section(cohort) if known else []),
            *[line for note in self.notes for line in (note, "")],
            "## Cases",
            "",
            *markdown_table(["case", "true_class", *names], cohort.case_rows()),
        ]

    def _mask_section(self, cohort: LesionCohort) -> list[str]:
        groups = {f"mean {name}": members for name, members in cohort.with_lesion.items()}
        groups["mean"] = [image for members in cohort.with_lesion.values() for image in members]
        rows = []
        for name, members in groups.items():
            scores = np.array([lesion_scores([image]) for image in members]).reshape(-1, len(LESION_SCORES))
            rows.append([name, str(len(members)), *map(plus_minus, means(scores), standard_deviations(scores))])
        rows.append(["pooled", str(len(groups["mean"])), *map(format_score, lesion_scores(cohort.images))])
        normals = [image for image in cohort.images if not image.true_pixels]
        false = sum(image.found_pixels > 0 for image in normals)
        found_in_normals = f"Images without a lesion: {len(normals)}; a lesion is segmented in {false} of them."
        error = format_score(cohort.mask_error)
        calibration = f"Expected calibration error over all pixels, {CALIBRATION_BINS} bins: {error}."
        lines = [LESION_NOTE, found_in_normals, calibration, self._contradictions(cohort.images)]
        table = markdown_table(["", "images", *LESION_SCORES], rows)
        return ["## Mask", "", *table, "", *[line for text in lines for line in (text, "")]]

    def _contradictions(self, images: Sequence[ScoredLesionImage]) -> str:
        found = [
            class_contradiction(self.class_names[image.predicted_class], self.ground_class, image.found_pixels > 0)
            for image in images
        ]
        counts = [f"{sentence}: {found.count(sentence)}" for sentence in sorted({text for text in found if text})]
        return f"Contradictions of mask and class: {'; '.join(counts) or 'none'}."

    def _class_section(self, cohort: LesionCohort) -> list[str]:
        scores = [cohort.accuracy, cohort.macro_f1, cohort.macro_precision, cohort.auc]
        scores.append(cohort.class_error)
        head = ["", "accuracy", "macro F1", "macro precision", "AUC", f"calibration error, {CALIBRATION_BINS} bins"]
        by_class = [cohort.counts.sum(axis=1), *class_scores(cohort.counts), cohort.areas]
        head_by_class = ["true class", *[f"predicted {name}" for name in self.class_names]]
        rows = [
            [name, *map(str, counts), str(images), *map(format_score, of_class)]
            for name, counts, images, *of_class in zip(self.class_names, cohort.counts, *by_class, strict=True)
        ]
        return [
            "## Class",
            "",
            *markdown_table(head, [["all images of known class", *map(format_score, scores)]]),
            "",
            *markdown_table([*head_by_class, "images", "precision", "recall", "F1", "AUC"], rows),
            "",
            CLASS_NOTE,
            "",
        ]


def _panels(cohort: LesionCohort) -> list[tuple[str, list[Points]]]:
    """Return a panel per lesion score and one of the true class's probability, a column of points per class."""
    panels = []
    for place, score in enumerate(LESION_SCORES):
        scores = {
            name: np.array([lesion_scores([image])[place] for image in members])
            for name, members in cohort.with_lesion.items()
        }
        panels.append((score.capitalize() if score != "iou" else "IoU", scores))
    of_true = {name: cohort.probabilities[cohort.true == k, k] for k, name in enumerate(cohort.class_names)}
    panels.append(("Probability of the true class", {name: found for name, found in of_true.items() if len(found)}))
    return [
        (title, [Points(name, scores, float(scores.mean())) for name, scores in columns.items()])
        for title, columns in panels
        if columns
    ]
