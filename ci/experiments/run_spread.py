"""Compare a difference between methods with the differences between runs of one method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pandas import DataFrame, Series

__all__ = [
    "MARK",
    "marked_by_cases",
    "method_rows",
    "over_runs",
    "ranges_sentence",
    "spread_sentence",
    "unknown_chance",
]

MARK = "≈"


def over_runs(scores: DataFrame) -> DataFrame:
    """Sum up the runs of every method.

    Args:
        scores: a row per run, named by its method; a column per score.

    Returns:
        By method and score: "runs"; "mean", "smallest" and "largest" of them, NaN if one is; "within_spread_of_first",
        whether the mean differs from the first method's by less than the larger of the two ranges over runs. A single
        run has no range. "marked" is the same, until cases are compared (`marked_by_cases`).
    """
    methods = scores.groupby(level=0, sort=False)
    mean, low, high = methods.mean(skipna=False), methods.min(skipna=False), methods.max(skipna=False)
    difference, spread = (mean - mean.iloc[0]).abs(), high - low
    within = (difference < spread) | (difference < spread.iloc[0])
    within.iloc[0] = False
    parts = {"mean": mean, "smallest": low, "largest": high, "within_spread_of_first": within}
    table = DataFrame({name: part.stack() for name, part in parts.items()}).rename_axis(["method", "score"])
    table.insert(0, "runs", methods.size().reindex(table.index, level=0))
    table["marked"] = table["within_spread_of_first"]
    return table


def marked_by_cases(table: DataFrame, differences: DataFrame) -> DataFrame:
    """Add `paired_differences` to `over_runs`; where there is an interval, a difference is marked if 0 is in it."""
    table = table.join(differences)
    known = table["low"].notna()
    table.loc[known, "marked"] = (table["low"] <= 0) & (table["high"] >= 0)
    return table


def method_rows(table: DataFrame, formats: Mapping[str, str]) -> DataFrame:
    """Return a row per method of `over_runs`: "runs", then for every score mean (smallest to largest) and the mark."""
    cells = {}
    for row in table.itertuples():
        mean, low, high = (format(number, formats[row.Index[1]]) for number in (row.mean, row.smallest, row.largest))
        cells[row.Index] = mean + f" ({low} to {high})" * (row.runs > 1) + f" {MARK}" * row.marked
    rows = Series(cells).unstack(sort=False)
    rows.insert(0, "runs", table["runs"].groupby(level=0, sort=False).first())
    return rows


def spread_sentence(table: DataFrame) -> str:
    """Explain the mark, or say that one run does not show how much chance does."""
    first = table.index[0][0]
    sentence = f"{MARK}: differs from {first} by less than the larger of the two ranges, so no difference is shown."
    return " ".join([*([sentence] if table["runs"].max() > 1 else []), *unknown_chance(table)])


def ranges_sentence(scores: Sequence[str]) -> str:
    """Explain the mark of scores that no case has alone."""
    return (
        f"No case has {', '.join(scores)} of its own: there {MARK} means a difference below the larger of two ranges."
    )


def unknown_chance(table: DataFrame) -> list[str]:
    """Return a sentence on what one run per method leaves unknown, if any."""
    runs = table["runs"]
    if runs.max() == 1:
        return ["One run per method: how much runs differ by chance is unknown, and so is what a difference means."]
    if runs.min() == 1:
        return ["How much the runs of a method with one run differ by chance is unknown."]
    return []
