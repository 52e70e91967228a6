"""Numbers that a paper prints, as rows of their own next to those that were measured here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pandas import DataFrame

from shared.errors import InputError

__all__ = ["PRINTED", "PrintedTable"]

PRINTED = " (printed)"  # ends the names of such rows
MEAN = "mean"


class PrintedTable:
    """A table of a paper, read from a JSON file.

    The file has "source", "not_comparable" (why its numbers are not like those measured here), "columns" and "rows", a
    list of numbers per name, null where the paper prints none. Names and columns are those of the merged table: a
    method and headings, or "region, method" and subsets of the modalities in any order ("t1+flair") and "mean".

    Args:
        path: of the file.

    Raises:
        InputError: no such file, or another content.
    """

    def __init__(self, path: str) -> None:
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            self.source, self.not_comparable = str(content["source"]), str(content["not_comparable"])
            rows = {name: [None if v is None else float(v) for v in row] for name, row in content["rows"].items()}
            self.numbers = DataFrame(rows, index=content["columns"], dtype=float).T
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path}: is not a printed table ({error}); give a JSON file with source, not_comparable, columns and "
                "rows of as many numbers as columns, such as studies/printed/*.json of a bundle."
            ) from error

    def below(self, shown: DataFrame) -> DataFrame:
        """Return a table of cells with the printed rows below; its columns without a printed number stay empty."""
        cells = self._cells(self.numbers.reindex(columns=shown.columns))
        return DataFrame({**shown.T.to_dict("list"), **cells}, shown.columns).T

    def by_subset(self, shown: DataFrame, groups: Mapping[str, Sequence[str]]) -> DataFrame:
        """Return the same for a table whose rows are "region, method", each region's printed rows below its own.

        Args:
            shown: cells; every column is one of `groups`.
            groups: the subsets of the modalities over which a column is the mean. That of all is as it is printed.
        """
        known = {_subset(name): self.numbers[name] for name in self.numbers if name != MEAN}
        all_subsets = {subset for subsets in groups.values() for subset in subsets}
        columns = {}
        for name, subsets in groups.items():
            given = [known.get(_subset(subset)) for subset in subsets]
            if len(subsets) == len(all_subsets) and MEAN in self.numbers:
                columns[name] = self.numbers[MEAN]
            elif all(column is not None for column in given):
                columns[name] = sum(given) / len(given)
        cells = self._cells(DataFrame(columns, self.numbers.index).reindex(columns=shown.columns))
        regions = list(dict.fromkeys(label.split(",")[0] for label in shown.index))
        rows = {
            **shown.T.to_dict("list"),
            **{name: row for name, row in cells.items() if name.split(",")[0] in regions},
        }
        ordered = sorted(rows, key=lambda label: regions.index(label.split(",")[0]))
        return DataFrame({label: rows[label] for label in ordered}, shown.columns).T

    def sentence(self) -> str:
        """Say where the numbers are from, and why they cannot be compared."""
        return f"{PRINTED.strip()}: numbers of {self.source}; not comparable: {self.not_comparable}"

    def _cells(self, numbers: DataFrame) -> dict[str, list[str]]:
        return {
            f"{name}{PRINTED}": ["" if number != number else f"{number:.2f}" for number in row]
            for name, row in zip(numbers.index, numbers.to_numpy(), strict=True)
        }


def _subset(name: str) -> frozenset[str]:
    return frozenset(name.split("+"))
