"""Lay out the scores of several methods on every subset of the modalities, as PGO (arXiv 2601.19365, 2026) does.

Its Table 2 has a column per subset and one for the mean of the subsets; its Table 3 means and standard deviations by
the number of missing modalities. Here a row is a region of a method; the row below it is the range of its runs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pandas import DataFrame

from ci.experiments.evaluation_files import OF_SUBSET
from ci.experiments.printed_table import PrintedTable
from ci.experiments.run_spread import MARK
from ci.experiments.table_headings import Heading
from shared.errors import InputError
from shared.reports.score_table import markdown_table, markdown_text
from shared.reports.subset_figure import HeatMap, draw_heat_maps
from shared.reports.subset_scores import SPREAD_OVER_SUBSETS, missing_counts, subset_groups, subset_table

__all__ = ["SubsetLayout"]


class SubsetLayout:
    """Columns of the scores of regions and subsets in a merged table.

    Args:
        names: columns "<score> of <subset>", the same for every method.

    Attributes:
        modalities: the modalities, in the order of the columns.
        regions: the scores' names without "dice_".
        headings: name to `Heading`, "WT t1+t2" of a subset, "WT, 2 missing" of a group of them.
    """

    def __init__(self, names: list[str]) -> None:
        pairs = [name.split(OF_SUBSET) for name in names]
        scores, found = (list(dict.fromkeys(part)) for part in zip(*pairs, strict=True))
        self.modalities = max(found, key=lambda subset: subset.count("+")).split("+")
        self.subsets = list(missing_counts(self.modalities))
        if self.subsets != found:
            raise InputError(f"subsets {', '.join(found)}: not all of {', '.join(self.modalities)}; evaluate again.")
        self.regions = [score.removeprefix("dice_") for score in scores]
        self.groups = subset_groups(self.modalities)
        self.headings = {}
        for score, region in zip(scores, self.regions, strict=True):
            groups = {f"{region} {subset}": [subset] for subset in self.subsets}
            groups |= {f"{region}, {group}": subsets for group, subsets in self.groups.items()}
            self.headings |= {
                heading: Heading([f"{score}{OF_SUBSET}{subset}" for subset in subsets])
                for heading, subsets in groups.items()
            }

    def markdown(self, table: DataFrame, num_cases: int, meaning: str, printed: PrintedTable | None = None) -> str:
        """Return both tables, and below what the numbers are.

        Args:
            table: of `over_runs`.
            num_cases: of each method.
            meaning: what the mark means.
            printed: rows of a paper, below those of each region.
        """
        wide = table.unstack(sort=False)
        means, marks = (
            wide["mean"].map("{:.2f}".format),
            wide["marked"].map({True: f" {MARK}", False: ""}.get),
        )
        ranges = (wide["largest"] - wide["smallest"])[wide["runs"].max(axis=1) > 1].map("{:.2f}".format)
        spreads = {
            f"{region}, {group}": wide["mean"][[f"{region} {subset}" for subset in subsets]].std(axis=1)
            for region in self.regions
            for group, subsets in self.groups.items()
        }
        spreads = DataFrame(spreads).map(lambda spread: "" if np.isnan(spread) else f" ± {spread:.2f}")
        by_subset = {f" {subset}": subset for subset in self.subsets} | {", all subsets": "mean"}
        by_missing = {f", {group}": group for group in self.groups}
        subsets, missing = (
            self._rows(means + marks, ranges, by_subset),
            self._rows(means + spreads + marks, ranges, by_missing),
        )
        if printed is not None:
            singles = {subset: [subset] for subset in self.subsets}
            subsets = printed.by_subset(subsets, singles | {"mean": self.subsets})
            missing = printed.by_subset(missing, self.groups)
        return markdown_text(
            subset_table(self.modalities, subsets),
            f"Cases: {num_cases}. Dice x 100, mean over cases and runs, per subset of the modalities (● there, "
            f"○ missing); range: largest run minus smallest, of methods with several. {meaning}",
            *([] if printed is None else [printed.sentence()]),
            markdown_table(missing),
            SPREAD_OVER_SUBSETS,
        )

    def draw(self, path: Path, table: DataFrame, num_cases: int) -> None:
        """Draw the scores of every region and method, and what the other methods have more than the first."""
        means = table["mean"].unstack(sort=False)
        names = {f" {subset}": subset for subset in self.subsets}
        maps = [HeatMap("Dice x 100", self._rows(means, means.iloc[:0], names), (0, 100), "{:.1f}")]
        if len(means) > 1:
            gains = (means - means.iloc[0]).iloc[1:]
            rows = self._rows(gains, gains.iloc[:0], names)
            largest = max(1.0, np.nan_to_num(rows.abs()).max())
            title = f"Dice x 100, difference to {means.index[0]} (positive: better than {means.index[0]})"
            maps.append(HeatMap(title, rows, (-largest, largest), "{:+.1f}", "RdBu"))
        draw_heat_maps(path, f"Cases: {num_cases}; mean over cases and runs", self.modalities, maps)

    def _rows(self, cells: DataFrame, ranges: DataFrame, names: dict[str, str]) -> DataFrame:
        """Return a row per region and method, and below it that of its runs' ranges.

        Args:
            cells: by method and heading.
            ranges: the same, of the methods that have some.
            names: what follows the region in a heading, and the column's name.
        """
        rows = {
            f"{region}, {method}{ending}": found.loc[method, [f"{region}{end}" for end in names]].tolist()
            for region in self.regions
            for method in cells.index
            for ending, found in (("", cells), (": range", ranges))
            if method in found.index
        }
        return DataFrame(rows, list(names.values())).T
