"""Write what an evaluation found: a row per case, mean and spread, as CSV, Markdown and a picture."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence, Sized
from itertools import takewhile
from pathlib import Path

import numpy as np
from ignite.engine import Engine, Events
from monai.utils import string_list_all_gather

from ..errors import InputError
from ..whole_file import whole_file

__all__ = ["EvaluationTable"]


class EvaluationTable:
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
        self.folder = Path(output_dir)
        self.columns = {metric: list(names) for metric, names in columns.items()}
        self.title = title
        self.notes = notes
        self.drawn = drawn
        self.name = name
        self.cases: list[str] = []
        self.logger = logging.getLogger(type(self).__name__)

    def attach(self, engine: Engine) -> None:
        """Collect on `engine`, MONAI's `SupervisedEvaluator`; its metrics must be attached before."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.write)

    def start(self, engine: Engine) -> None:
        """Forget an earlier run's cases."""
        self.cases = []

    def collect(self, engine: Engine) -> None:
        """Note which cases were scored."""
        self.cases += [str(item["case"]) for item in engine.state.batch]

    def write(self, engine: Engine) -> None:
        """Write the three files and log the summary."""
        cases = string_list_all_gather(self.cases)
        if engine.state.rank != 0:
            return
        scores = np.concatenate([self._scores(engine, metric, len(cases)) for metric in self.columns], axis=1)
        names = [name for metric in self.columns.values() for name in metric]
        summary = _summary(names, scores)
        with whole_file(self.folder / f"{self.name}.csv") as path:
            _write_csv(path, names, cases, scores)
        with whole_file(self.folder / f"{self.name}.md") as path:
            path.write_text("\n".join(self._markdown(names, cases, scores, summary)) + "\n", encoding="utf-8")
        with whole_file(self.folder / f"{self.name}.png") as path:
            _draw(path, self.title, {metric: self.columns[metric] for metric in self.drawn}, names, scores)
        self.logger.info("\n".join([f"{self.title}, {_count(cases)}:", *summary]))
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
        rows = [[case, *map(_number, row)] for case, row in zip(cases, scores, strict=True)]
        return [
            f"# {self.title}",
            "",
            f"{_count(cases)}; mean ± sample standard deviation over cases, smallest and largest.",
            "",
            *summary,
            "",
            *[line for note in self.notes for line in (note, "")],
            "## Cases",
            "",
            *_markdown_table(["case", *names], rows),
        ]


def _count(cases: Sized) -> str:
    return f"{len(cases)} case{'s' * (len(cases) != 1)}"


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"


def _mean(scores: np.ndarray) -> list[float]:
    """Mean per column without NaN."""
    return [float(np.mean(column[~np.isnan(column)])) if (~np.isnan(column)).any() else np.nan for column in scores.T]


def _deviation(scores: np.ndarray) -> list[float]:
    """Sample standard deviation per column without NaN; NaN for a single case."""
    columns = [column[~np.isnan(column)] for column in scores.T]
    return [float(np.std(column, ddof=1)) if len(column) > 1 else np.nan for column in columns]


def _summary(names: list[str], scores: np.ndarray) -> list[str]:
    rows = []
    for name, mean, deviation, column in zip(names, _mean(scores), _deviation(scores), scores.T, strict=True):
        spread = "" if np.isnan(deviation) else f" ± {deviation:.4f}"
        extremes = ["", ""] if np.isnan(mean) else [_number(np.nanmin(column)), _number(np.nanmax(column))]
        rows.append([name, _number(mean) + spread, *extremes])
    return _markdown_table(["", "mean", "smallest", "largest"], rows)


def _markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in [head, rule, *rows]]


def _write_csv(path: Path, names: list[str], cases: list[str], scores: np.ndarray) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["case", *names])
        rows = [*zip(cases, scores, strict=True), ("mean", _mean(scores)), ("standard deviation", _deviation(scores))]
        table.writerows([case, *map(_number, row)] for case, row in rows)


def _shared_prefix(columns: list[str]) -> str:
    """Return "dice" of "dice_WT" and "dice_ET": what column names have in common, up to an underscore."""
    parts = zip(*(column.split("_") for column in columns), strict=False)
    together = takewhile(lambda words: len(set(words)) == 1, parts)
    prefix = "_".join(words[0] for words in together)
    return prefix if len(columns) == 1 or prefix not in columns else prefix.rpartition("_")[0]


def _draw(path: Path, title: str, panels: dict[str, list[str]], names: list[str], scores: np.ndarray) -> None:
    """A point per case and a bar at the mean, a panel per metric."""
    from matplotlib.figure import Figure

    widths = [max(2, len(columns)) + 0.5 for columns in panels.values()]
    figure = Figure(figsize=(1.5 + 1.1 * sum(widths), 4), layout="constrained")
    axes = figure.subplots(1, len(panels), width_ratios=widths, squeeze=False)[0]
    jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(scores))
    means = dict(zip(names, _mean(scores), strict=True))
    for ax, (metric, columns) in zip(axes, panels.items(), strict=True):
        for place, column in enumerate(columns):
            ax.scatter(place + jitter, scores[:, names.index(column)], s=18, alpha=0.6, color="tab:blue", linewidths=0)
            if not np.isnan(means[column]):
                ax.hlines(means[column], place - 0.3, place + 0.3, color="black", linewidth=2)
                ax.annotate(f"{means[column]:.3g}", (place + 0.32, means[column]), fontsize=8, va="center")
        prefix = _shared_prefix(columns)
        ax.set_xticks(range(len(columns)), [column.removeprefix(prefix).removeprefix("_") for column in columns])
        ax.set_xlim(-0.5, len(columns) - 0.2)
        largest = np.nan_to_num(scores[:, [names.index(column) for column in columns]]).max()
        ax.set_ylim(0, 1.04 if 0.3 < largest <= 1 else 1.08 * largest or 1.0)
        ax.set_title((prefix or metric).replace("_", " ").capitalize(), fontsize=10)
        ax.grid(axis="y", alpha=0.3)
    figure.suptitle(f"{title}: {_count(scores)}, bar = mean")
    figure.savefig(path, dpi=120, metadata={"Software": None})
