"""Parts of all tables of scores: mean and spread, CSV, Markdown, a figure of the points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..atomic_write import atomic_write

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "Draw",
    "Panel",
    "count_cases",
    "draw_points",
    "format_score",
    "markdown_table",
    "markdown_text",
    "mean_and_deviation",
    "plus_minus",
    "write_figure",
    "write_report",
]

Draw = Callable[[Path], None]
Panel = tuple[str, Mapping[str, tuple[np.ndarray, float]]]  # title; a column's name to scores and its bar, NaN for none


def count_cases(cases: int) -> str:
    """Return "1 case" or "2 cases"."""
    return f"{cases} case{'s' * (cases != 1)}"


def format_score(value: float) -> str:
    """Return four decimals; nothing for NaN."""
    return "" if np.isnan(value) else f"{value:.4f}"


def mean_and_deviation(scores: DataFrame) -> DataFrame:
    """Return mean and sample standard deviation per column, as the two rows below a table's cases."""
    return scores.agg(["mean", "std"]).rename({"std": "standard deviation"})


def plus_minus(scores: DataFrame) -> dict[str, str]:
    """Return "mean ± sample standard deviation" per column, without the latter for a single row."""
    rows = zip(scores.columns, scores.mean(), scores.std(), strict=True)
    return {name: format_score(mean) + ("" if np.isnan(spread) else f" ± {spread:.4f}") for name, mean, spread in rows}


def markdown_table(table: DataFrame) -> list[str]:
    """Return the lines of a table, its index first; floats to four decimals, nothing for NaN."""
    rows = [
        [format_score(cell) if isinstance(cell, float) else str(cell) for cell in row] for row in table.itertuples()
    ]
    head, rule = [table.index.name or "", *map(str, table.columns)], ["---", *["---:"] * len(table.columns)]
    return [f"| {' | '.join(cells)} |" for cells in [head, rule, *rows]]


def markdown_text(*parts: str | Sequence[str]) -> str:
    """Join paragraphs, each a text or the lines of a table, with an empty line between them."""
    return "\n\n".join(part if isinstance(part, str) else "\n".join(part) for part in parts) + "\n"


def write_report(path: Path, table: DataFrame, markdown: str, draw: Draw | None) -> None:
    """Write a table as CSV, its Markdown and its figure, next to one another.

    Args:
        path: of the three files, without suffix.
        table: with its index; floats are written to four decimals, NaN as an empty cell.
        markdown: text.
        draw: draws the figure.
    """
    with atomic_write(f"{path}.csv") as temporary:
        table.to_csv(temporary, float_format="%.4f", lineterminator="\n")
    with atomic_write(f"{path}.md") as temporary:
        temporary.write_text(markdown, encoding="utf-8")
    write_figure(Path(f"{path}.png"), draw)


def write_figure(path: Path, draw: Draw | None) -> None:
    """Write a figure; with None to draw it, remove that of an earlier evaluation."""
    if draw is None:
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as temporary:
        draw(temporary)


def draw_points(path: Path, heading: str, panels: Sequence[Panel]) -> None:
    """Draw a point per case and a bar across, a panel per score."""
    from matplotlib.figure import Figure

    widths = [max(2, len(columns)) + 0.5 for _, columns in panels]
    figure = Figure(figsize=(1.5 + 1.1 * sum(widths), 4), layout="constrained")
    axes = figure.subplots(1, len(panels), width_ratios=widths, squeeze=False)[0]
    for ax, (title, columns) in zip(axes, panels, strict=True):
        for place, (scores, bar) in enumerate(columns.values()):
            jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(scores))
            ax.scatter(place + jitter, scores, s=18, alpha=0.6, color="tab:blue", linewidths=0)
            if not np.isnan(bar):
                ax.hlines(bar, place - 0.3, place + 0.3, color="black", linewidth=2)
                ax.annotate(f"{bar:.3g}", (place + 0.32, bar), fontsize=8, va="center")
        ax.set_xticks(range(len(columns)), list(columns))
        ax.set_xlim(-0.5, len(columns) - 0.2)
        largest = np.nan_to_num(np.concatenate([scores for scores, _ in columns.values()])).max()
        ax.set_ylim(0, 1.04 if 0.3 < largest <= 1 else 1.08 * largest or 1.0)
        ax.set_title(title, fontsize=10)
        ax.grid(axis="y", alpha=0.3)
    figure.suptitle(heading)
    figure.savefig(path, dpi=120, metadata={"Software": None})
