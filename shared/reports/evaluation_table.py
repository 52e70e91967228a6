"""Write what an evaluation found: a row per case, mean and spread, as CSV, Markdown and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
from ignite.engine import Engine
from monai.utils import string_list_all_gather

from ..atomic_write import atomic_write
from ..errors import InputError
from .evaluation_writer import EvaluationWriter
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

__all__ = ["EvaluationTable"]


class EvaluationTable(EvaluationWriter[str]):
    """Collect the per-case scores of MONAI's metric handlers into one table: ``<name>.csv``, ``.md`` and ``.png``.

    Reads `engine.state.metric_details` (metric handlers with `save_details`) when the epoch ends, and the cases' names
    from "case" in the batch, so it needs an evaluator that decollates. Scores that a metric left NaN stay empty and
    out of mean and standard deviation. With several processes the first one writes, for all.

    Args:
        output_dir: folder for the three files.
        columns: metric's name to the names of its columns, one per channel, with the unit where there is one:
            {"dice": ["dice_WT", "dice_TC"], "hausdorff_95": ["hausdorff_95_mm_WT", "hausdorff_95_mm_TC"]}.
        title: heading of the Markdown and of the picture.
        notes: sentences below the Markdown's summary, such as what a column's name means.
        drawn: metrics in the picture, a panel each.
        name: of the files.
    """

    def __init__(
        self,
        output_dir: str,
        columns: Mapping[str, Sequence[str]],
        title: str,
        notes: Sequence[str] = (),
        drawn: Sequence[str] = ("dice",),
        name: str = "evaluation",
    ) -> None:
        unknown = set(drawn) - set(columns)
        if unknown:
            raise ValueError(f"drawn names metrics without columns: {sorted(unknown)}; columns has {sorted(columns)}.")
        super().__init__(output_dir, title, notes)
        self.columns = {metric: list(names) for metric, names in columns.items()}
        self.drawn = drawn
        self.name = name

    def score(self, item: Mapping[str, Any], result: Mapping[str, Any]) -> str:
        """Return the name of a case; its scores are those of the engine's metrics."""
        return str(item["case"])

    def write(self, engine: Engine) -> None:
        """Write the three files and log the summary."""
        cases = string_list_all_gather(self.cases)
        if engine.state.rank != 0:
            return
        scores = np.concatenate([self._scores(engine, metric, len(cases)) for metric in self.columns], axis=1)
        names = [name for metric in self.columns.values() for name in metric]
        summary = _summary(names, scores)
        rows = [
            *zip(cases, scores, strict=True),
            ("mean", means(scores)),
            ("standard deviation", standard_deviations(scores)),
        ]
        with atomic_write(self.folder / f"{self.name}.csv") as path:
            write_rows(path, ["case", *names], [[case, *map(format_score, row)] for case, row in rows])
        with atomic_write(self.folder / f"{self.name}.md") as path:
            path.write_text("\n".join(self._markdown(names, cases, scores, summary)) + "\n", encoding="utf-8")
        with atomic_write(self.folder / f"{self.name}.png") as path:
            heading = f"{self.title}: {count_cases(len(cases))}, bar = mean"
            draw_points(path, heading, [self._panel(metric, names, scores) for metric in self.drawn])
        self.logger.info("\n".join([f"{self.title}, {count_cases(len(cases))}:", *summary]))
        self.logger.info("Written: %s (.md, .png)", self.folder / f"{self.name}.csv")

    def _scores(self, engine: Engine, metric: str, cases: int) -> np.ndarray:
        details = engine.state.metric_details.get(metric)
        if details is None:
            available = sorted(engine.state.metric_details)
            raise InputError(f"columns names a metric that was not computed: {metric!r}; there are {available}.")
        scores = np.asarray(details.cpu(), dtype=float).reshape(len(details), -1)
        if scores.shape != (cases, len(self.columns[metric])):
            expected = f"{cases} cases x {len(self.columns[metric])} columns"
            raise InputError(f"metric {metric!r} has {scores.shape[0]} x {scores.shape[1]} scores, not {expected}.")
        return scores

    def _markdown(self, names: list[str], cases: list[str], scores: np.ndarray, summary: list[str]) -> list[str]:
        rows = [[case, *map(format_score, row)] for case, row in zip(cases, scores, strict=True)]
        return [
            f"# {self.title}",
            "",
            f"{count_cases(len(cases))}; mean ± sample standard deviation over cases, smallest and largest.",
            "",
            *summary,
            "",
            *[line for note in self.notes for line in (note, "")],
            "## Cases",
            "",
            *markdown_table(["case", *names], rows),
        ]

    def _panel(self, metric: str, names: list[str], scores: np.ndarray) -> tuple[str, list[Points]]:
        """A panel's title, and a column of points for every channel of a metric."""
        columns = self.columns[metric]
        prefix = _shared_prefix(columns)
        found = {column: scores[:, names.index(column)] for column in columns}
        return (prefix or metric).replace("_", " ").capitalize(), [
            Points(column.removeprefix(prefix).removeprefix("_"), found[column], means(found[column][:, None])[0])
            for column in columns
        ]


def _summary(names: list[str], scores: np.ndarray) -> list[str]:
    rows = []
    for name, mean, deviation, column in zip(names, means(scores), standard_deviations(scores), scores.T, strict=True):
        extremes = ["", ""] if np.isnan(mean) else [format_score(np.nanmin(column)), format_score(np.nanmax(column))]
        rows.append([name, plus_minus(mean, deviation), *extremes])
    return markdown_table(["", "mean", "smallest", "largest"], rows)


def _shared_prefix(columns: list[str]) -> str:
    """Return "dice" of "dice_WT" and "dice_ET": what column names have in common, up to an underscore."""
    parts = zip(*(column.split("_") for column in columns), strict=False)
    together = takewhile(lambda words: len(set(words)) == 1, parts)
    prefix = "_".join(words[0] for words in together)
    return prefix if len(columns) == 1 or prefix not in columns else prefix.rpartition("_")[0]
