"""What tables of scores have in common: mean and spread, CSV, Markdown, a picture of the points."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = [
    "Points",
    "count_cases",
    "draw_points",
    "format_score",
    "markdown_table",
    "means",
    "plus_minus",
    "standard_deviations",
    "write_rows",
]


def count_cases(cases: int) -> str:
    """Return "1 case" or "2 cases"."""
    return f"{cases} case{'s' * (cases != 1)}"


def format_score(value: float) -> str:
    """Return four decimals; nothing for NaN."""
    return "" if np.isnan(value) else f"{value:.4f}"


def means(scores: np.ndarray) -> list[float]:
    """Mean per column of (cases, columns) without NaN."""
    return [float(np.mean(column[~np.isnan(column)])) if (~np.isnan(column)).any() else np.nan for column in scores.T]


def standard_deviations(scores: np.ndarray) -> list[float]:
    """Sample standard deviation per column without NaN; NaN for a single case."""
    columns = [column[~np.isnan(column)] for column in scores.T]
    return [float(np.std(column, ddof=1)) if len(column) > 1 else np.nan for column in columns]


def plus_minus(mean: float, deviation: float) -> str:
    """Return "mean ± deviation", without the latter where there is none."""
    return format_score(mean) + ("" if np.isnan(deviation) else f" ± {deviation:.4f}")


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose first column is text and whose others are numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in [head, rule, *rows]]


def write_rows(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(head)
        table.writerows(rows)


class Points(NamedTuple):
    """A column of points with a bar across.

    Attributes:
        name: below the column.
        scores: one per case.
        bar: where the bar is; NaN for none.
    """

    name: str
    scores: np.ndarray
    bar: float


def draw_points(path: Path, heading: str, panels: Sequence[tuple[str, Sequence[Points]]]) -> None:
    """Draw a point per case and a bar, a panel (title, columns) per score."""
    from matplotlib.figure import Figure

    widths = [max(2, len(columns)) + 0.5 for _, columns in panels]
    figure = Figure(figsize=(1.5 + 1.1 * sum(widths), 4), layout="constrained")
    axes = figure.subplots(1, len(panels), width_ratios=widths, squeeze=False)[0]
    for ax, (title, columns) in zip(axes, panels, strict=True):
        for place, (_, scores, bar) in enumerate(columns):
            jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(scores))
            ax.scatter(place + jitter, scores, s=18, alpha=0.6, color="tab:blue", linewidths=0)
            if not np.isnan(bar):
                ax.hlines(bar, place - 0.3, place + 0.3, color="black", linewidth=2)
                ax.annotate(f"{bar:.3g}", (place + 0.32, bar), fontsize=8, va="center")
        ax.set_xticks(range(len(columns)), [column.name for column in columns])
        ax.set_xlim(-0.5, len(columns) - 0.2)
        largest = np.nan_to_num(np.concatenate([column.scores for column in columns])).max()
        ax.set_ylim(0, 1.04 if 0.3 < largest <= 1 else 1.08 * largest or 1.0)
        ax.set_title(title, fontsize=10)
        ax.grid(axis="y", alpha=0.3)
    figure.suptitle(heading)
    figure.savefig(path, dpi=120, metadata={"Software": None})
