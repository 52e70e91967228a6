"""Dice of many cases, of every subset of their modalities, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..data import modality_subsets, subset_name
from .score_table import count_cases, markdown_table, markdown_text, plus_minus

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["SPREAD_OVER_SUBSETS", "missing_counts", "subset_groups", "subset_markdown", "subset_table"]

SPREAD_OVER_SUBSETS = (
    "Mean ± sample standard deviation (n - 1) of the subsets' means over cases: the spread is that between subsets, "
    "not between cases. It is so in Table 3 of PGO (arXiv 2601.19365, 2026) too, which divides by n where three "
    "modalities are missing, by n - 1 elsewhere, and leaves the full set out of the deviation over all settings."
)


def missing_counts(modalities: Sequence[str]) -> dict[str, int]:
    """Return how many modalities each subset lacks, by its name, in the order of `modality_subsets`."""
    subsets = modality_subsets(len(modalities))
    return {subset_name(modalities, subset): subset.count(False) for subset in subsets}


def subset_groups(modalities: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of all subsets, of the full set, and of those with 1, 2 ... modalities missing."""
    missing = missing_counts(modalities)
    groups = {
        f"{count} missing": [name for name in missing if missing[name] == count] for count in range(len(modalities))
    }
    return {"all subsets": list(missing), "full": groups.pop("0 missing"), **groups}


def subset_table(modalities: Sequence[str], rows: DataFrame) -> list[str]:
    """Return the lines of a table of every subset: a filled dot for each modality that it has, then the rows.

    Args:
        modalities: names.
        rows: a column per subset, and "mean".
    """
    from pandas import DataFrame, concat

    missing = missing_counts(modalities)
    dots = {subset: ["●" if name in subset.split("+") else "○" for name in modalities] for subset in missing}
    table = concat([DataFrame(dots, modalities).assign(mean=""), rows]).rename_axis("missing modalities")
    return markdown_table(table.set_axis([*missing.values(), "mean"], axis=1))


def subset_markdown(
    scores: DataFrame, modalities: Sequence[str], others: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Return both tables of Dice, regions x subsets and by the number of missing modalities; below, other scores.

    Args:
        scores: "case", "subset" and "dice_<region>", a row per case and subset; NaN for a subset that a case lacks.
        modalities: names.
        others: name of a metric to further columns of `scores`; a table each.
    """
    from pandas import DataFrame

    dice = scores.filter(regex="^dice_").rename(columns=lambda name: name.removeprefix("dice_"))
    by_subset = dice.groupby(scores["subset"], sort=False)
    means, cases = by_subset.mean().T, scores["case"].nunique()
    rows = means.assign(mean=means.mean(axis=1))
    counted = by_subset.count().iloc[:, 0]
    if (counted < cases).any():
        rows.loc["cases that have them"] = {**counted.astype(str), "mean": ""}
    groups = {name: plus_minus(means[subsets].T) for name, subsets in subset_groups(modalities).items()}
    return markdown_text(
        f"Dice, mean over {count_cases(cases)}, per subset of the modalities (● there, ○ missing); right: mean of the "
        "subsets.",
        subset_table(modalities, rows),
        "## By number of missing modalities",
        markdown_table(DataFrame(groups)),
        SPREAD_OVER_SUBSETS,
        *_other_scores(scores, modalities, others or {}),
    )


def _other_scores(
    scores: DataFrame, modalities: Sequence[str], others: Mapping[str, Sequence[str]]
) -> list[str | list[str]]:
    """Return a heading and the lines of a table for every further metric."""
    parts: list[str | list[str]] = []
    for name, columns in others.items():
        means = scores.groupby("subset", sort=False)[list(columns)].mean().T
        parts += [f"## {name}, mean over cases", subset_table(modalities, means.assign(mean=means.mean(axis=1)))]
    return parts
