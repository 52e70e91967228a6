"""Evaluation table of segmented and graded gland images, with scores that pool objects over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ignite.engine import Engine

from ..data import GRADES
from ..metrics import confusion_counts
from .evaluation_writer import EvaluationWriter
from .gland_scores import gland_scores, score_glands
from .mean_interval import INTERVAL, INTERVAL_NOTE, interval_texts
from .score_table import Panel, count_cases, draw_points, markdown_table, mean_and_deviation, plus_minus

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["GlandEvaluation"]

DRAWN = {
    "object_f1": "Object F1",
    "object_dice": "Object Dice",
    "object_hausdorff_um": "Object Hausdorff (µm)",
    "pixel_accuracy": "Pixel accuracy",
}
POOLED = (
    "Pooled, as the GlaS challenge scores: over the objects of all images, weighted by area; F1 from the counts, pixel "
    "accuracy over all pixels, class_correct the share of images. Mean: over images, ± sample standard deviation. "
    f"{INTERVAL_NOTE}"
)
ONE_SIDED = (
    "with objects only in the annotation or only in the segmentation: there is no Hausdorff distance (inf), and the "
    "image's diagonal stands in for it in means and pooled rows."
)


class GlandEvaluation(EvaluationWriter):
    """Score glands, pixels and grade of every image and write one table: ``<name>.csv``, ``.md`` and ``.png``.

    Rows: every case; "mean" and "standard deviation" over all of them; "pooled <part>" for every part that is there and
    "pooled" for all cases together, the official way of the GlaS challenge (`shared.metrics.object_dice`). An image
    with objects on one side only has the Hausdorff distance inf; in means and pooled rows its diagonal stands in, and
    the Markdown counts such images. An unknown grade leaves its cell empty and stays out of the accuracy.

    Reads, of every decollated item, "case", "instances" (1, H, W), "label" (1, H, W) and, as far as known, "part" and
    "grade" from the batch, and "pred" (1, H, W), "pred_instances" (1, H, W) and "class_probabilities" (2,) from the
    output. Leaves the pooled scores in `engine.state.metrics`: object_f1, object_dice, object_hausdorff_um,
    pixel_accuracy, class_accuracy. A key metric must be there earlier: `shared.metrics.ObjectDiceMetric`.

    With several processes attach it on all of them; the first one writes, for all, and a case that several scored
    counts once.

    Args:
        output_dir: folder for the three files.
        pixel_size_um: edge of a pixel in micrometres.
        title: heading of the Markdown and of the figure.
        notes: sentences below the Markdown's summary, such as where the labels come from.
        name: of the files.
    """

    def __init__(
        self, output_dir: str, pixel_size_um: float, title: str, notes: Sequence[str] = (), name: str = "evaluation"
    ) -> None:
        super().__init__(output_dir, title, notes)
        self.pixel_size_um = pixel_size_um
        self.name = name

    def score(self, item: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
        """Return counts, distances and grades of an image."""
        return score_glands(item, result, self.pixel_size_um)

    def write(self, engine: Engine) -> None:
        """Write the three files, log the summary and leave the pooled scores in the engine's metrics."""
        from pandas import DataFrame, concat

        images = self.all_cases()
        together = gland_scores(images)
        metrics = {name.replace("class_correct", "class_accuracy"): score for name, score in together.items()}
        engine.state.metrics.update({name: score for name, score in metrics.items() if not np.isnan(score)})
        if engine.state.rank != 0:
            return
        parts = {name: members for name, members in images.groupby("part") if name}
        scores = DataFrame([gland_scores(images.loc[[case]]) for case in images.index], images.index)
        cases = scores.assign(malignant_probability=images["malignant_probability"])
        shown = cases.assign(object_hausdorff_um=scores["object_hausdorff_um"].mask(images["one_sided"] > 0, np.inf))
        shown.insert(0, "part", images["part"])
        pooled = {f"pooled {name}": gland_scores(members) for name, members in parts.items()}
        pooled = DataFrame({**pooled, "pooled": together}).T
        lines = markdown_table(concat([pooled, _means(scores, parts)]))
        count, sizes = count_cases(len(images)), ", ".join(f"{name} {len(members)}" for name, members in parts.items())
        self.logger.info("\n".join([f"{self.title}, {count}:", *lines]))
        one_sided = int(images["one_sided"].sum())
        notes = [POOLED, *[f"{count_cases(one_sided)} {ONE_SIDED}"] * (one_sided > 0), *self.notes]
        summary = [
            f"{count}{f': {sizes}' if parts else ''}.",
            lines,
            *notes,
            *_confusion(images.dropna(subset="grade")),
        ]
        heading, panels = f"{self.title}: {count}, bar = pooled", _panels(scores, parts or {"all": images})
        below = concat([mean_and_deviation(cases), pooled])
        self.write_files(self.name, shown, below, summary, lambda path: draw_points(path, heading, panels))


def _means(scores: DataFrame, parts: Mapping[str, DataFrame]) -> DataFrame:
    """Return mean ± deviation of every score, and its interval, as texts: rows for each part, then for all cases."""
    from pandas import DataFrame

    rows, groups = {}, {f"mean {name}": scores.loc[members.index] for name, members in parts.items()}
    for name, members in {**groups, "mean": scores}.items():
        rows[name] = plus_minus(members)
        if len(members) > 1:
            rows[f"{name}, {INTERVAL}"] = interval_texts(members)
    return DataFrame(rows).T


def _panels(scores: DataFrame, groups: Mapping[str, DataFrame]) -> list[Panel]:
    """Return a panel per score that is drawn, with a column of points per group of images."""
    return [
        (title, {name: (scores.loc[of.index, score], gland_scores(of)[score]) for name, of in groups.items()})
        for score, title in DRAWN.items()
    ]


def _confusion(images: DataFrame) -> list[str | list[str]]:
    """Return a section that counts true and predicted grades; nothing if no grade is known."""
    from pandas import DataFrame, Index

    if images.empty:
        return []
    counts = confusion_counts(images["grade"].astype(int), images["predicted_grade"], len(GRADES))
    columns = [f"predicted {grade}" for grade in GRADES]
    return ["## Grade", markdown_table(DataFrame(counts, Index(GRADES, name="true grade"), columns))]
