"""Dice of many cases, of every subset of their modalities, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..data import modality_subsets, subset_name
from .score_table import count_cases, format_score, markdown_table, means, plus_minus, standard_deviations

__all__ = ["SPREAD_OVER_SUBSETS", "SubsetScores", "dot_rows", "missing_counts", "subset_groups"]

SPREAD_OVER_SUBSETS = (
    "Mean ± sample standard deviation (n - 1) of the subsets' means over cases: the spread is that between subsets, "
    "not between cases. It is so in Table 3 of PGO (arXiv 2601.19365, 2026) too, which divides by n where three "
    "modalities are missing, by n - 1 elsewhere, and leaves the full set out of the deviation over all settings."
)


def missing_counts(num_modalities: int) -> list[int]:
    """Return how many modalities each subset lacks, in the order of `modality_subsets`."""
    return [subset.count(False) for subset in modality_subsets(num_modalities)]


def subset_groups(num_modalities: int) -> dict[str, list[int]]:
    """Return the places of all subsets, of the full set, and of those with 1, 2 ... modalities missing."""
    missing = missing_counts(num_modalities)
    groups = {"all subsets": list(range(len(missing))), "full": [len(missing) - 1]}
    groups |= {
        f"{count} missing": [place for place, found in enumerate(missing) if found == count]
        for count in range(1, num_modalities)
    }
    return groups


def dot_rows(modalities: Sequence[str]) -> list[list[str]]:
    """Return a row per modality: its name, then a filled dot for every subset that has it and an empty one else."""
    by_modality = zip(*modality_subsets(len(modalities)), strict=True)
    return [[name, *("●" if used else "○" for used in row)] for name, row in zip(modalities, by_modality, strict=True)]


@dataclass(frozen=True)
class SubsetScores:
    """Dice of N cases for S subsets of M modalities and R regions.

    Attributes:
        cases: N names.
        modalities: M names.
        regions: R names.
        dice: (N, S, R), in [0, 1]; NaN for a subset that a case does not have.
    """

    cases: Sequence[str]
    modalities: Sequence[str]
    regions: Sequence[str]
    dice: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """(R, S): mean over the cases that have the subset; NaN where none has."""
        return np.array([means(self.dice[..., place]) for place in range(len(self.regions))])

    def csv_rows(self) -> Iterator[list[str]]:
        """Give the cells of every case and subset: case, subset, number of missing modalities, Dice of the regions."""
        subsets = modality_subsets(len(self.modalities))
        for case, of_case in zip(self.cases, self.dice, strict=True):
            for subset, scores in zip(subsets, of_case, strict=True):
                name = subset_name(self.modalities, subset)
                yield [case, name, str(subset.count(False)), *map(format_score, scores)]

    def markdown(self) -> list[str]:
        """Return the lines of both tables: regions x subsets, and by the number of missing modalities."""
        count = count_cases(len(self.cases))
        return [
            f"Dice, mean over {count}, per subset of the modalities (● there, ○ missing); right: mean of the subsets.",
            "",
            *self._by_subset(),
            "",
            "## By number of missing modalities",
            "",
            *self._by_missing(),
            "",
            SPREAD_OVER_SUBSETS,
        ]

    def _by_subset(self) -> list[str]:
        head = ["missing modalities", *map(str, missing_counts(len(self.modalities))), "mean"]
        rows = [[*row, ""] for row in dot_rows(self.modalities)]
        rows += [
            [name, *map(format_score, [*scores, *means(scores[:, None])])]
            for name, scores in zip(self.regions, self.means, strict=True)
        ]
        counted = (~np.isnan(self.dice[..., 0])).sum(axis=0)
        if (counted < len(self.cases)).any():
            rows.append(["cases that have them", *map(str, counted), ""])
        return markdown_table(head, rows)

    def _by_missing(self) -> list[str]:
        groups = subset_groups(len(self.modalities))
        rows = []
        for name, scores in zip(self.regions, self.means, strict=True):
            parts = [scores[places, None] for places in groups.values()]
            rows.append([name, *(plus_minus(means(part)[0], standard_deviations(part)[0]) for part in parts)])
        return markdown_table(["", *groups], rows)
