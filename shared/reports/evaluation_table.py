"""Evaluation table: a row per case, mean and spread, as CSV, Markdown and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
from ignite.engine import Engine
from monai.utils import string_list_all_gather

from ..errors import InputError
from .evaluation_writer import EvaluationWriter
from .mean_interval import INTERVAL, INTERVAL_NOTE, interval_texts
from .score_table import Panel, count_cases, draw_points, markdown_table, mean_and_deviation, plus_minus

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["EvaluationTable"]

SUMMARY = f"mean ± sample standard deviation over cases, smallest and largest. {INTERVAL_NOTE}"


class EvaluationTable(EvaluationWriter):
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
        on_request: metrics among `columns` that may be absent from a run; their columns are left out then.
    """

    def __init__(
        self,
        output_dir: str,
        columns: Mapping[str, Sequence[str]],
        title: str,
        notes: Sequence[str] = (),
        drawn: Sequence[str] = ("dice",),
        name: str = "evaluation",
        on_request: Sequence[str] = (),
    ) -> None:
        unknown = set(drawn) - set(columns)
        if unknown:
            raise ValueError(f"drawn names metrics without columns: {sorted(unknown)}; columns has {sorted(columns)}.")
        super().__init__(output_dir, title, notes)
        self.columns = {metric: list(names) for metric, names in columns.items()}
        self.drawn = drawn
        self.name = name
        self.on_request = set(on_request)

    def score(self, item: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
        """Return the name of a case; its scores are those of the engine's metrics."""
        return {"case": str(item["case"])}

    def write(self, engine: Engine) -> None:
        """Write the three files and log the summary."""
        from pandas import DataFrame

        cases = string_list_all_gather([case["case"] for case in self.cases])
        if engine.state.rank != 0:
            return
        absent = self.on_request - set(engine.state.metric_details)
        metrics = [metric for metric in self.columns if metric not in absent]
        names = [name for metric in metrics for name in self.columns[metric]]
        scores = np.concatenate([self._scores(engine, metric, len(cases)) for metric in metrics], axis=1)
        table = DataFrame(scores, cases, names)
        texts = {"mean": plus_minus(table), INTERVAL: interval_texts(table)}
        summary = DataFrame({**texts, "smallest": table.min(), "largest": table.max()}, names)
        count, lines = count_cases(len(cases)), markdown_table(summary)
        heading, panels = f"{self.title}: {count}, bar = mean", [self._panel(metric, table) for metric in self.drawn]
        self.logger.info("\n".join([f"{self.title}, {count}:", *lines]))
        below, notes = mean_and_deviation(table), [f"{count}; {SUMMARY}", lines, *self.notes]
        self.write_files(self.name, table, below, notes, lambda path: draw_points(path, heading, panels))

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

    def _panel(self, metric: str, table: DataFrame) -> Panel:
        """A panel's title, and a column of points for every channel of a metric."""
        columns = self.columns[metric]
        prefix = _shared_prefix(columns)
        return (prefix or metric).replace("_", " ").capitalize(), {
            column.removeprefix(prefix).removeprefix("_"): (table[column], table[column].mean()) for column in columns
        }


def _shared_prefix(columns: list[str]) -> str:
    """Return "dice" of "dice_WT" and "dice_ET": what column names have in common, up to an underscore."""
    parts = zip(*(column.split("_") for column in columns), strict=False)
    together = takewhile(lambda words: len(set(words)) == 1, parts)
    prefix = "_".join(words[0] for words in together)
    return prefix if len(columns) == 1 or prefix not in columns else prefix.rpartition("_")[0]
