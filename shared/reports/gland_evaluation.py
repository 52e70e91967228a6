"""Write what an evaluation of segmented and graded images found, with scores that pool objects over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ignite.engine import Engine

from ..atomic_write import atomic_write
from ..data import GRADES
from .evaluation_writer import EvaluationWriter
from .gather_cases import gather_cases
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
from .scored_gland_image import SCORES, ScoredGlandImage, image_of, pooled_scores, score_image

__all__ = ["GlandEvaluation"]

Parts = Mapping[str, Sequence[ScoredGlandImage]]

DRAWN = {
    "object_f1": "Object F1",
    "object_dice": "Object Dice",
    "object_hausdorff_um": "Object Hausdorff (µm)",
    "pixel_accuracy": "Pixel accuracy",
}
POOLED = (
    "Pooled, as the GlaS challenge scores: over the objects of all images, weighted by area; F1 from the counts, pixel "
    "accuracy over all pixels, class_correct the share of images. Mean: over images, ± sample standard deviation."
)
ONE_SIDED = (
    "with objects only in the annotation or only in the segmentation: there is no Hausdorff distance (inf), and the "
    "image's diagonal stands in for it in means and pooled rows."
)


class GlandEvaluation(EvaluationWriter[ScoredGlandImage]):
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
        title: heading of the Markdown and of the picture.
        notes: sentences below the Markdown's summary, such as where the labels come from.
        name: of the files.
    """

    def __init__(
        self, output_dir: str, pixel_size_um: float, title: str, notes: Sequence[str] = (), name: str = "evaluation"
    ) -> None:
        super().__init__(output_dir, title, notes)
        self.pixel_size_um = pixel_size_um
        self.name = name

    def score(self, item: Mapping[str, Any], result: Mapping[str, Any]) -> ScoredGlandImage:
        """Return counts, distances and grades of an image."""
        return score_image(item, result, self.pixel_size_um)

    def write(self, engine: Engine) -> None:
        """Write the three files, log the summary and leave the pooled scores in the engine's metrics."""
        images = gather_cases(self.cases, image_of)
        names = [name.replace("class_correct", "class_accuracy") for name in SCORES]
        scores = zip(names, pooled_scores(images), strict=True)
        engine.state.metrics.update({name: score for name, score in scores if not np.isnan(score)})
        if engine.state.rank != 0:
            return
        names = sorted({image.part for image in images} - {""})
        parts = {name: [image for image in images if image.part == name] for name in names}
        count, summary = count_cases(len(images)), _summary(parts, images)
        with atomic_write(self.folder / f"{self.name}.csv") as path:
            write_rows(path, ["case", "part", *SCORES], [*_rows(images), *_summary_rows(parts, images)])
        with atomic_write(self.folder / f"{self.name}.md") as path:
            path.write_text("\n".join(self._markdown(parts, images, summary)) + "\n", encoding="utf-8")
        with atomic_write(self.folder / f"{self.name}.png") as path:
            draw_points(path, f"{self.title}: {count}, bar = pooled", _panels(parts or {"all": images}))
        self.logger.info("\n".join([f"{self.title}, {count}:", *summary]))
        self.logger.info("Written: %s (.md, .png)", self.folder / f"{self.name}.csv")

    def _markdown(self, parts: Parts, images: Sequence[ScoredGlandImage], summary: list[str]) -> list[str]:
        sizes = ", ".join(f"{name} {len(members)}" for name, members in parts.items())
        one_sided = sum(image.objects.one_sided for image in images)
        notes = [POOLED, *[f"{count_cases(one_sided)} {ONE_SIDED}"] * (one_sided > 0), *self.notes]
        return [
            f"# {self.title}",
            "",
            f"{count_cases(len(images))}{f': {sizes}' if parts else ''}.",
            "",
            *summary,
            "",
            *[line for note in notes for line in (note, "")],
            *_confusion(images),
            "## Cases",
            "",
            *markdown_table(["case", "part", *SCORES], _rows(images)),
        ]


def _rows(images: Sequence[ScoredGlandImage]) -> list[list[str]]:
    return [[image.case, image.part, *map(format_score, image.shown_scores())] for image in images]


def _summary_rows(parts: Parts, images: Sequence[ScoredGlandImage]) -> list[list[str]]:
    """Return the cells of the rows below the cases; they belong to no part."""
    scores = np.array([image.scores() for image in images])
    rows = {"mean": means(scores), "standard deviation": standard_deviations(scores)}
    rows |= {f"pooled {name}": pooled_scores(members) for name, members in parts.items()}
    rows["pooled"] = pooled_scores(images)
    return [[name, "", *map(format_score, numbers)] for name, numbers in rows.items()]


def _summary(parts: Parts, images: Sequence[ScoredGlandImage]) -> list[str]:
    """Return the lines of a table: pooled and mean scores, of every part and together."""
    groups = {f" {name}": members for name, members in parts.items()} | {"": images}
    rows = [[f"pooled{name}", *map(format_score, pooled_scores(members)[:-1])] for name, members in groups.items()]
    for name, members in groups.items():
        scores = np.array([image.scores()[:-1] for image in members])
        rows.append([f"mean{name}", *map(plus_minus, means(scores), standard_deviations(scores))])
    return markdown_table(["", *SCORES[:-1]], rows)


def _confusion(images: Sequence[ScoredGlandImage]) -> list[str]:
    """Return a section that counts true and predicted grades; nothing if no grade is known."""
    found = [(image.grade, image.predicted_grade) for image in images if image.grade is not None]
    head = ["true grade", *[f"predicted {grade}" for grade in GRADES]]
    rows = [
        [grade, *[str(found.count((true, predicted))) for predicted in range(len(GRADES))]]
        for true, grade in enumerate(GRADES)
    ]
    return ["## Grade", "", *markdown_table(head, rows), ""] if found else []


def _panels(parts: Parts) -> list[tuple[str, list[Points]]]:
    """Return a panel per score, with a column of points per part."""
    panels = []
    for score, title in DRAWN.items():
        place = SCORES.index(score)
        columns = [
            Points(name, np.array([image.scores()[place] for image in members]), pooled_scores(members)[place])
            for name, members in parts.items()
        ]
        panels.append((title, columns))
    return panels
