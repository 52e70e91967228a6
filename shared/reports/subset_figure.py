"""A heat map of scores over the subsets of modalities, with the modalities as dots below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..data import modality_subsets
from .subset_scores import missing_counts

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["HeatMap", "draw_heat_maps"]

CELL_INCHES = (0.5, 0.36)


class HeatMap(NamedTuple):
    """One block of rows.

    Attributes:
        title: above it.
        rows: S scores by label, columns in the order of `modality_subsets`; NaN for none.
        limits: scores at the ends of the colours.
        text: format of a score in its cell, such as "{:.2f}".
        colours: name of Matplotlib's colour map.
    """

    title: str
    rows: DataFrame
    limits: tuple[float, float]
    text: str = "{:.2f}"
    colours: str = "viridis"


def draw_heat_maps(path: Path, heading: str, modalities: Sequence[str], maps: Sequence[HeatMap]) -> None:
    """Draw blocks above one another, a column per subset and one for their mean; below, each subset's modalities."""
    from matplotlib.figure import Figure

    missing = list(missing_counts(modalities).values())
    heights = [len(block.rows) for block in maps] + [len(modalities)]
    longest = max(len(label) for block in maps for label in block.rows.index)
    width = CELL_INCHES[0] * (len(missing) + 1.5) + 0.075 * longest + 1.2
    figure = Figure(
        figsize=(max(width, 0.085 * len(heading)), CELL_INCHES[1] * sum(heights) + 0.45 * len(maps) + 0.75),
        layout="constrained",
    )
    axes = figure.subplots(len(heights), 1, height_ratios=heights, sharex=True)
    for ax, block in zip(axes, maps, strict=False):
        _draw_map(figure, ax, block, missing)
    _draw_dots(axes[-1], modalities)
    figure.suptitle(heading, fontsize=11)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _draw_map(figure: Any, ax: Any, block: HeatMap, missing: Sequence[int]) -> None:
    scores = np.column_stack([block.rows, block.rows.mean(axis=1)])
    subsets = len(missing)
    edges = [*(place - 0.5 for place in range(subsets + 1)), subsets, subsets + 1]  # a gap before the mean
    filled = np.insert(scores, subsets, np.nan, axis=1)
    rows = np.arange(len(scores) + 1) - 0.5
    mesh = ax.pcolormesh(
        edges, rows, filled, cmap=block.colours, vmin=block.limits[0], vmax=block.limits[1], edgecolors="white"
    )
    for (row, column), score in np.ndenumerate(scores):
        at = column + 0.5 * (column == subsets)
        text = "-" if np.isnan(score) else block.text.format(score)
        red, green, blue, _ = mesh.cmap(mesh.norm(score)) if not np.isnan(score) else (1.0,) * 4
        is_light = 0.3 * red + 0.59 * green + 0.11 * blue > 0.5
        ax.text(at, row, text, ha="center", va="center", fontsize=8, color="black" if is_light else "white")
    for place in range(1, subsets):
        if missing[place] != missing[place - 1]:
            ax.axvline(place - 0.5, color="black", linewidth=1.2)
    ax.set_yticks(range(len(scores)), list(block.rows.index))
    ax.set_ylim(len(scores) - 0.5, -0.5)
    ax.set_title(block.title, fontsize=9, loc="left")
    ax.tick_params(length=0, labelbottom=False)
    ax.spines[:].set_visible(False)
    figure.colorbar(mesh, ax=ax, fraction=0.03, pad=0.01, aspect=12)


def _draw_dots(ax: Any, modalities: Sequence[str]) -> None:
    used = np.array(modality_subsets(len(modalities)))
    for place, subset in enumerate(used):
        rows = np.arange(len(modalities))
        ax.scatter(np.full(len(rows), place), rows, s=45, color=np.where(subset, "black", "white"), edgecolors="black")
    missing = list(missing_counts(modalities).values())
    names = {f"{count} missing" if count else "full": count for count in set(missing)}
    centres = {name: np.mean(np.flatnonzero(np.array(missing) == count)) for name, count in names.items()}
    for name, at in {**centres, "mean": len(used) + 0.5}.items():
        ax.text(at, len(modalities) - 0.2, name, ha="center", va="top", fontsize=9)
    ax.set_yticks(range(len(modalities)), list(modalities))
    ax.set_ylim(len(modalities) + 0.4, -0.6)
    ax.set_xlim(-0.5, len(used) + 1)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
