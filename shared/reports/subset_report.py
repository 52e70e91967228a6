"""Write the scores of every subset of the modalities as CSV, Markdown and a heat map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .score_table import count_cases, markdown_text, write_report
from .subset_figure import HeatMap, draw_heat_maps
from .subset_scores import subset_markdown

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["write_subset_report"]


def write_subset_report(
    path: Path,
    scores: DataFrame,
    columns: Mapping[str, Sequence[str]],
    modalities: Sequence[str],
    region_names: Sequence[str],
    title: str,
    notes: Sequence[str] = (),
) -> str:
    """Write the three files and return the tables of the Markdown.

    - ``<path>.csv``: a row per case and subset; empty where the case lacks a modality of the subset;
    - ``<path>.md``: Dice of regions x subsets, means by the number of missing modalities, then the further scores;
    - ``<path>.png``: Dice as a heat map.

    Args:
        path: of the files, without suffix.
        scores: "case", "subset", "missing" and all columns of scores, a row per case and subset.
        columns: "dice" and the names of further metrics, each with its columns of `scores`.
        modalities: names.
        region_names: names of the regions, in the order of the columns of "dice".
        title: heading of the Markdown and of the figure.
        notes: sentences below the Markdown's tables.
    """
    others = {name: names for name, names in columns.items() if name != "dice"}
    summary = subset_markdown(scores, modalities, others).rstrip()
    means = scores.groupby("subset", sort=False)[list(columns["dice"])].mean()
    by_region = means.set_axis(list(region_names), axis=1).T
    heat_map = HeatMap("Dice, mean over the cases that have the modalities", by_region, (0, 1))
    heading = f"{title}: {count_cases(scores['case'].nunique())}"
    write_report(
        path,
        scores.set_index("case"),
        markdown_text(f"# {title}", summary, *notes),
        lambda file: draw_heat_maps(file, heading, modalities, [heat_map]),
    )
    return summary
