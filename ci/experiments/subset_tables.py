"""Lay out the scores of several methods on every subset of the modalities, as PGO (arXiv 2601.19365, 2026) does.

Its Table 2 has a column per subset and one for the mean of the subsets; its Table 3 means and standard deviations by
the number of missing modalities. Here a row is a region of a method; below it stands the range of its runs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ci.experiments.evaluation_files import OF_SUBSET
from ci.experiments.run_spread import MARK, Table, spread_sentence, within_spread
from shared.data import modality_subsets, subset_name
from shared.errors import InputError
from shared.reports.score_table import markdown_table, standard_deviations
from shared.reports.subset_figure import HeatMap, draw_heat_maps
from shared.reports.subset_scores import SPREAD_OVER_SUBSETS, dot_rows, missing_counts, subset_groups

__all__ = ["SubsetLayout"]


class SubsetLayout:
    """Columns of the scores of regions and subsets in a merged table.

    Args:
        names: columns "<score> of <subset>", the same for every method.

    Attributes:
        modalities: the modalities, in the order of the columns.
        regions: the scores' names without "dice_".
        headings: as `ci.experiments.tables.layout`: "WT t1+t2" of a subset, "WT, 2 missing" of a group of them.
    """

    def __init__(self, names: list[str]) -> None:
        pairs = [name.split(OF_SUBSET) for name in names]
        scores, found = (list(dict.fromkeys(part)) for part in zip(*pairs, strict=True))
        self.modalities = max(found, key=lambda subset: subset.count("+")).split("+")
        self.subsets = [subset_name(self.modalities, subset) for subset in modality_subsets(len(self.modalities))]
        if self.subsets != found:
            raise InputError(f"subsets {', '.join(found)}: not all of {', '.join(self.modalities)}; evaluate again.")
        self.regions = [score.removeprefix("dice_") for score in scores]
        self.groups = subset_groups(len(self.modalities))
        self.headings = {}
        for score, region in zip(scores, self.regions, strict=True):
            columns = [f"{score}{OF_SUBSET}{subset}" for subset in self.subsets]
            self.headings |= {f"{region} {name}": ([of], 100.0, 2) for name, of in zip(found, columns, strict=True)}
            self.headings |= {
                f"{region}, {group}": ([columns[place] for place in places], 100.0, 2)
                for group, places in self.groups.items()
            }

    def markdown(self, table: Table, num_cases: int) -> str:
        """Write both tables, and below what the numbers are."""
        head = ["missing modalities", *map(str, missing_counts(len(self.modalities))), "mean"]
        dots = [[*row, ""] for row in dot_rows(self.modalities)]
        by_subset = self._rows(table, lambda region: [f"{region} {name}" for name in self.subsets] + self._mean(region))
        by_missing = self._rows(table, lambda region: [f"{region}, {group}" for group in self.groups], self._deviation)
        return "\n".join(
            [
                *markdown_table(head, [*dots, *by_subset]),
                "",
                f"Cases: {num_cases}. Dice x 100, mean over cases and runs, per subset of the modalities (● there, "
                f"○ missing); range: largest run minus smallest, of methods with several. {spread_sentence(table)}",
                "",
                *markdown_table(["", *self.groups], by_missing),
                "",
                SPREAD_OVER_SUBSETS,
                "",
            ]
        )

    def draw(self, path: Path, table: Table, num_cases: int) -> None:
        """Draw the scores of every region and method, and what the other methods have more than the first."""
        first, *others = table
        means = {
            (region, method): np.array([scores[f"{region} {name}"].mean() for name in self.subsets])
            for region in self.regions
            for method, scores in table.items()
        }
        scores = {f"{region}, {method}": row for (region, method), row in means.items()}
        maps = [HeatMap("Dice x 100", scores, (0, 100), "{:.1f}")]
        if others:
            gains = {
                f"{region}, {method}": row - means[region, first]
                for (region, method), row in means.items()
                if method != first
            }
            largest = max(1.0, np.nan_to_num(np.abs(list(gains.values()))).max())
            title = f"Dice x 100, difference to {first} (positive: better than {first})"
            maps.append(HeatMap(title, gains, (-largest, largest), "{:+.1f}", "RdBu"))
        draw_heat_maps(path, f"Cases: {num_cases}; mean over cases and runs", self.modalities, maps)

    def _mean(self, region: str) -> list[str]:
        return [f"{region}, {next(iter(self.groups))}"]

    def _deviation(self, scores: dict[str, np.ndarray], heading: str) -> str:
        """Return the standard deviation between the subsets of a group."""
        region, _, group = heading.rpartition(", ")
        of_subsets = [scores[f"{region} {self.subsets[place]}"].mean() for place in self.groups[group]]
        deviation = standard_deviations(np.array(of_subsets)[:, None])[0]
        return "" if np.isnan(deviation) else f" ± {deviation:.2f}"

    def _rows(
        self,
        table: Table,
        headings_of: Callable[[str], list[str]],
        behind: Callable[[dict[str, np.ndarray], str], str] = lambda scores, heading: "",
    ) -> list[list[str]]:
        """Return the rows of every region and method: means with what stands behind them, and ranges."""
        first, *_ = table
        rows = []
        for region in self.regions:
            for method, scores in table.items():
                cells, ranges = [f"{region}, {method}"], [f"{region}, {method}: range"]
                for heading in headings_of(region):
                    values = scores[heading]
                    mark = f" {MARK}" if method != first and within_spread(values, table[first][heading]) else ""
                    cells.append(f"{values.mean():.2f}{behind(scores, heading)}{mark}")
                    ranges.append(f"{np.ptp(values):.2f}")
                rows += [cells, ranges] if len(values) > 1 else [cells]
        return rows
