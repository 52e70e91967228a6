"""Merge the evaluations of several methods and seeds into one table.

    python -m ci tables --out table ours=run1/evaluation.csv,run2/evaluation.csv "baseline=base*/evaluation.csv"

writes table.md, table.csv and table.png, and prints the first. The folds of a cross-validation count as one run when
joined: ours=fold0/evaluation.csv+fold1/evaluation.csv. The layout is that of the papers (PGO, arXiv 2601.19365,
Table 4): a row per method, mean Dice of the regions, every region, then distance and calibration. Tables of objects
(glands) are laid out by their pooled scores, of all parts or of one:

    python -m ci tables --out table --rows "pooled testA" learned=run1/evaluation.csv equal=run2/evaluation.csv

Tables of a mask and a class per image (breast lesions) are laid out as Table 2 of Al Shafi et al., 2026: the mask's
scores, means over the images with a lesion or with `--rows pooled` over their pixels; then those of the class.

Tables of every subset of the modalities (subsets.csv) are laid out as Tables 2 and 3 of PGO, with a heat map.

`--printed` puts the numbers of a paper next to them, as rows of their own that are marked and not compared:

    python -m ci tables --out table --printed bundles/<name>/studies/printed/table_1.json ours=run1/subsets.csv

Methods whose tables hold the same cases are compared case by case with the first one: mean difference, bootstrap
interval, Wilcoxon's test (`paired_differences`). What may be no difference is marked. Of scores that no case has alone
(pooled ones; F1 and AUC of classes), what differs from the first method by less than the runs of one method differ
among themselves is marked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pandas import DataFrame

from ci.experiments.evaluation_files import OF_SUBSET, read_case_scores, read_methods
from ci.experiments.paired_differences import COLUMNS, difference_rows, paired_differences, paired_sentence
from ci.experiments.printed_table import PrintedTable
from ci.experiments.run_spread import (
    marked_by_cases,
    method_rows,
    over_runs,
    ranges_sentence,
    spread_sentence,
    unknown_chance,
)
from ci.experiments.table_headings import Headings, describe, headings_for, score

if TYPE_CHECKING:
    from shared.reports.score_table import Draw


def draw(path: Path, scores: DataFrame, title: str, label: str) -> None:
    """Draw a bar per method and score, with a point per run."""
    from matplotlib.figure import Figure

    methods = scores.groupby(level=0, sort=False)
    figure = Figure(figsize=(2 + 0.45 * scores.shape[1] * (1 + len(methods)), 4), layout="constrained")
    ax, width = figure.subplots(), 0.8 / len(methods)
    for place, (method, runs) in enumerate(methods):
        at = np.arange(scores.shape[1]) + (place - (len(methods) - 1) / 2) * width
        ax.bar(at, runs.mean(), 0.92 * width, label=method)
        for x, values in zip(at, runs.to_numpy().T, strict=True):
            ax.scatter(np.full(len(values), x), values, s=12, color="black", zorder=3)
            style = {"textcoords": "offset points", "ha": "center", "fontsize": 7}
            ax.annotate(f"{values.mean():.1f}", (x, values.max()), (0, 4), **style)
    ax.set_xticks(range(scores.shape[1]), list(scores.columns))
    ax.set_ylim(0, 105)
    ax.set_ylabel(label)
    ax.set_title(title)
    ax.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def main(*runs: str, out: str, rows: str | None = None, printed: str | None = None) -> None:
    """Merge evaluations.

    Args:
        runs: "method=path,path,...": evaluation.csv or subsets.csv files, one per run (wildcards allowed), or one per
            fold, joined by "+"; the first method is the reference.
        out: where the table is written, without suffix.
        rows: of tables with pooled scores, which row counts: of objects "pooled" (all parts; default), "pooled testA",
            "mean" ...; of mask and class "mean" (default) or "pooled".
        printed: a JSON file with the numbers of a paper's table (studies/printed/ of a bundle), which become rows of
            their own, marked and not compared.
    """
    of_paper = None if printed is None else PrintedTable(printed)
    found, num_cases = read_methods(runs, rows)
    merge = _by_subset if OF_SUBSET in found.columns[0] else _by_method
    table, text, picture = merge(found, num_cases, rows, read_case_scores(runs, rows), of_paper)
    from shared.reports.score_table import write_report  # imports MONAI, which takes seconds: not before an error

    numbers = ["mean", "smallest", "largest"]
    within = table["within_spread_of_first"].astype(int)
    cells = table.assign(**table[numbers].map("{:.6f}".format), within_spread_of_first=within).drop(columns="marked")
    write_report(Path(out), cells.reset_index("score").set_index("runs", append=True), text, picture)
    print(text, end="")


def _compare(table: DataFrame, cases: dict[str, DataFrame] | None, headings: Headings) -> tuple[DataFrame, str]:
    """Add what a comparison of the cases gives, and say what the mark means."""
    if cases is None or len(cases) < 2:
        return table, spread_sentence(table)
    differences = paired_differences({method: score(scores, headings) for method, scores in cases.items()})
    without = [
        name for name, found in differences["cases"].groupby(level="score", sort=False).max().items() if not found
    ]
    by_ranges = [ranges_sentence(without)] if without and table["runs"].max() > 1 else []
    meaning = [paired_sentence(next(iter(cases))), *by_ranges]
    return marked_by_cases(table, differences), " ".join([*meaning, *unknown_chance(table)])


def _below(table: DataFrame, headings: Headings, scores: list[str]) -> list[str | list[str]]:
    """Return the table of differences as Markdown, if cases were compared."""
    if "difference" not in table:
        return []
    from shared.reports.score_table import markdown_table

    first, decimals = table.index[0][0], {name: heading.decimals for name, heading in headings.items()}
    shown = difference_rows(table[COLUMNS].dropna(subset="difference"), decimals, scores)
    return [f"Difference to {first}, case by case:", markdown_table(shown.rename_axis("method: score"))]


def _by_method(
    runs: DataFrame,
    num_cases: int,
    rows: str | None,
    by_case: dict[str, DataFrame] | None,
    printed: PrintedTable | None,
) -> tuple[DataFrame, str, Draw | None]:
    """Merge evaluations into one row per method: scores over runs, Markdown, what draws them."""
    from shared.reports.score_table import markdown_table, markdown_text

    headings = headings_for(list(runs.columns))
    scores = score(runs, headings)
    table, meaning = _compare(over_runs(scores), by_case, headings)
    cases, label, explanation = describe(list(runs.columns), num_cases, rows)
    shown = method_rows(table, {name: f".{heading.decimals}f" for name, heading in headings.items()})
    drawn = [name for name, heading in headings.items() if heading.factor == 100]
    title = f"{cases}; bar: mean over runs, point: one run"
    below = [] if printed is None else [printed.sentence()]
    shown = shown if printed is None else printed.below(shown)
    below += _below(table, headings, list(headings))
    text = markdown_text(markdown_table(shown.rename_axis("method")), f"{explanation} {meaning}", *below)
    return table, text, (lambda path: draw(path, scores[drawn], title, label)) if drawn else None


def _by_subset(
    runs: DataFrame,
    num_cases: int,
    rows: str | None,
    by_case: dict[str, DataFrame] | None,
    printed: PrintedTable | None,
) -> tuple[DataFrame, str, Draw]:
    """Merge evaluations of every subset of the modalities."""
    from ci.experiments.subset_tables import SubsetLayout
    from shared.reports.score_table import markdown_text

    by_subset = SubsetLayout(list(runs.columns))
    table, meaning = _compare(over_runs(score(runs, by_subset.headings)), by_case, by_subset.headings)
    of_groups = [heading for heading in by_subset.headings if ", " in heading]
    shown = by_subset.markdown(table, num_cases, meaning, printed).rstrip("\n")
    parts = [shown, *_below(table, by_subset.headings, of_groups)]
    return table, markdown_text(*parts), lambda path: by_subset.draw(path, table, num_cases)
