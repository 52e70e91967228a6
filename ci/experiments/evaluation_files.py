"""Read evaluation.csv, of one of three kinds, and subsets.csv, told apart by their columns.

The scores of `EvaluationTable` are averaged over cases, those of `GlandEvaluation` pooled; `LesionEvaluation`
has both. The rows of `SubsetEvaluation`, one per case and subset of the modalities, become one per case.
"""

from __future__ import annotations

import csv
import glob
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from shared.errors import InputError

POOLED_SCORE = "object_dice"  # only tables of `GlandEvaluation` have it
CLASS_SCORE = "macro_f1"  # only those of `LesionEvaluation` have it
POOLED_ROW = "pooled"
MEAN_ROW = "mean"
OF_SUBSET = " of "  # "dice_WT of t1+t2": a score of `SubsetEvaluation`
WORDS = ("part", "true_class")  # columns that hold no numbers
Columns = dict[str, np.ndarray]  # a column's name to one score per case, or to the one of a summary row


@dataclass(frozen=True)
class Evaluation:
    """Rows of one file: {name: {column: score}}.

    Attributes:
        cases: a row per case.
        summaries: the rows below: mean, standard deviation, pooled, pooled testA ...
        parts: case to its part of the data set, if the table names it.
    """

    cases: dict[str, dict[str, float]]
    summaries: dict[str, dict[str, float]]
    parts: dict[str, str]


def is_summary(name: str) -> bool:
    """Whether a row's name is not that of a case."""
    return name in (MEAN_ROW, "standard deviation", POOLED_ROW) or name.startswith(f"{POOLED_ROW} ")


def read_evaluation(path: str) -> Evaluation:
    """Read a file."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = _rows(csv.DictReader(file))
        parts = {name: row["part"] for name, row in rows.items() if "part" in row}
        scores = {
            name: {column: float(cell or "nan") for column, cell in row.items() if column not in WORDS}
            for name, row in rows.items()
        }
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is not a table of an evaluation; correct the path, or evaluate again.") from error
    return Evaluation(
        cases={name: row for name, row in scores.items() if not is_summary(name)},
        summaries={name: row for name, row in scores.items() if is_summary(name)},
        parts=parts,
    )


def _rows(table: Iterable[dict[str, str]]) -> dict[str, dict[str, str]]:
    """Return the cells of every case and summary; those of a case's subsets of modalities side by side."""
    rows: dict[str, dict[str, str]] = {}
    for row in table:
        name, subset = row.pop("case"), row.pop("subset", None)
        if subset is not None:
            del row["missing"]
            row = {f"{score}{OF_SUBSET}{subset}": cell for score, cell in row.items()}
        rows.setdefault(name, {}).update(row)
    return rows


def read_run(paths: list[str], rows: str | None = None) -> tuple[list[str], Columns]:
    """Read the tables of one run's folds.

    Args:
        paths: a file per fold.
        rows: which summary row is wanted; None for "pooled" of objects and "mean" of masks with a class. Tables
            without pooled scores have no choice.

    Returns:
        The cases, sorted, and every column's scores in their order; or the cases that were summed up, and the scores of
        the summary row. What it leaves empty beside masks, as F1 of the class, is of all cases together.
    """
    whole = Evaluation({}, {}, {})
    for path in paths:
        fold = read_evaluation(path)
        if not fold.cases or whole.cases.keys() & fold.cases.keys():
            repeated = whole.cases.keys() & fold.cases.keys()
            what = f"case {min(repeated)} is in another fold too" if fold.cases else "has no case"
            raise InputError(f"{path}: {what}; join folds of one cross-validation with +, runs with a comma.")
        whole = Evaluation(whole.cases | fold.cases, fold.summaries, fold.parts)
    cases = sorted(whole.cases)
    names = list(whole.cases[cases[0]])
    if POOLED_SCORE in names:
        return _summary(whole, paths, rows or POOLED_ROW)
    if CLASS_SCORE in names:
        cases, columns = _summary(whole, paths, rows or MEAN_ROW)
        _, together = _summary(whole, paths, POOLED_ROW)
        return cases, {name: np.where(np.isnan(score), together[name], score) for name, score in columns.items()}
    if rows is not None:
        raise InputError(f"{paths[0]}: has no pooled rows to choose from; leave out --rows.")
    return cases, {name: np.array([whole.cases[case].get(name, np.nan) for case in cases]) for name in names}


def _summary(whole: Evaluation, paths: list[str], rows: str) -> tuple[list[str], Columns]:
    if len(paths) > 1:
        raise InputError(f"{paths[0]}: pooled scores of folds cannot be joined; evaluate all cases in one run.")
    if rows not in whole.summaries:
        raise InputError(f"{paths[0]}: has no row {rows!r}; choose one of {', '.join(whole.summaries)} as --rows.")
    part = rows.removeprefix(POOLED_ROW).strip() if rows.startswith(POOLED_ROW) else ""
    cases = sorted(case for case in whole.cases if part in ("", whole.parts.get(case)))
    return cases, {name: np.array([score]) for name, score in whole.summaries[rows].items()}


def read_methods(arguments: tuple[str, ...], rows: str | None = None) -> tuple[dict[str, list[Columns]], int]:
    """Read "method=path,path": the columns of every run of every method, and the number of cases, the same for all."""
    methods: dict[str, list[Columns]] = {}
    first = None
    for argument in arguments:
        method, _, parts = str(argument).partition("=")
        if not parts or method in methods:
            raise InputError(f"{argument}: write method=evaluation.csv,evaluation.csv, and every method once.")
        methods[method] = []
        for path in [path for part in parts.split(",") for path in sorted(glob.glob(part)) or [part]]:
            cases, columns = read_run(path.split("+"), rows)
            first = first or (path, cases, list(columns))
            for what, here, there in [("cases", cases, first[1]), ("columns", list(columns), first[2])]:
                if here != there:
                    example = min(set(here) ^ set(there), default="their order")
                    raise InputError(f"{path}: other {what} than {first[0]} ({example}); evaluate on one test set.")
            methods[method].append(columns)
    if first is None:
        raise InputError("nothing to merge; write method=evaluation.csv, once for every method.")
    return methods, len(first[1])
