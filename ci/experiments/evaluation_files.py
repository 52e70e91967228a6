"""Read evaluation.csv, of one of three kinds, and subsets.csv, told apart by their columns.

The scores of `EvaluationTable` are averaged over cases, those of `GlandEvaluation` pooled; `LesionEvaluation`
has both. The rows of `SubsetEvaluation`, one per case and subset of the modalities, become one per case; of its scores
Dice alone is read.
"""

from __future__ import annotations

import glob

import pandas
from pandas import DataFrame, Series

from shared.errors import InputError

POOLED_SCORE = "object_dice"  # only tables of `GlandEvaluation` have it
CLASS_SCORE = "macro_f1"  # only those of `LesionEvaluation` have it
POOLED_ROW = "pooled"
MEAN_ROW = "mean"
OF_SUBSET = " of "  # "dice_WT of t1+t2": a score of `SubsetEvaluation`
SUMMARIES = rf"(?:{MEAN_ROW}|standard deviation|{POOLED_ROW}(?: .*)?)"  # rows that are not those of a case


def read_evaluation(path: str) -> DataFrame:
    """Read a file: scores by case or name of a summary; "part" stays a text."""
    try:
        words = dict.fromkeys(["case", "part", "true_class", "subset"], "str")
        table = pandas.read_csv(path, index_col="case", dtype=words, keep_default_na=False, na_values=[""])
        table = table.drop(columns="true_class", errors="ignore")
        if "subset" in table:
            table = table.filter(regex="^(subset$|dice_)").set_index("subset", append=True).unstack(sort=False)
            table.columns = table.columns.map(OF_SUBSET.join)
        return table.astype(dict.fromkeys(table.columns.drop("part", errors="ignore"), float))
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: is not a table of an evaluation; correct the path, or evaluate again.") from error


def read_run(paths: list[str], rows: str | None = None) -> tuple[list[str], Series]:
    """Read the tables of one run's folds.

    Args:
        paths: a file per fold.
        rows: which summary row is wanted; None for "pooled" of objects and "mean" of masks with a class. Tables
            without pooled scores have no choice.

    Returns:
        The cases, sorted, and every column's mean over them; or the cases that were summed up, and the scores of the
        summary row. What it leaves empty next to masks, as F1 of the class, is of all cases together.
    """
    cases, folds = set(), []
    for path in paths:
        fold = read_evaluation(path)
        is_summary = fold.index.str.fullmatch(SUMMARIES)
        new = set(fold.index[~is_summary])
        if not new or cases & new:
            what = f"case {min(cases & new)} is in another fold too" if new else "has no case"
            raise InputError(f"{path}: {what}; join folds of one cross-validation with +, runs with a comma.")
        if folds and list(fold.columns) != list(folds[0].columns):
            raise InputError(f"{path}: other columns than {paths[0]}; join folds of one cross-validation with +.")
        cases, folds, summaries = cases | new, [*folds, fold[~is_summary]], fold[is_summary]
    table = pandas.concat(folds).sort_index()
    if POOLED_SCORE not in table and CLASS_SCORE not in table:
        if rows is not None:
            raise InputError(f"{paths[0]}: has no pooled rows to choose from; leave out --rows.")
        return sorted(cases), table.mean()
    if len(paths) > 1:
        raise InputError(f"{paths[0]}: pooled scores of folds cannot be joined; evaluate all cases in one run.")
    rows = rows or (POOLED_ROW if POOLED_SCORE in table else MEAN_ROW)
    if rows not in summaries.index:
        raise InputError(f"{paths[0]}: has no row {rows!r}; choose one of {', '.join(summaries.index)} as --rows.")
    scores = summaries.drop(columns="part", errors="ignore")
    if CLASS_SCORE in table:
        return sorted(cases), scores.loc[rows].fillna(scores.loc[POOLED_ROW])
    part = rows.removeprefix(POOLED_ROW).strip() if rows.startswith(POOLED_ROW) else ""
    return list(table.index[table["part"] == part] if part else table.index), scores.loc[rows]


def read_case_scores(arguments: tuple[str, ...], rows: str | None = None) -> dict[str, DataFrame] | None:
    """Read "method=path,path" again, case by case.

    Args:
        arguments: one for every method.
        rows: see `read_run`.

    Returns:
        By method a row per case, each score the mean over the method's runs, NaN where a case has none; None of tables
        whose scores are pooled.
    """
    methods = {}
    for method, paths in named_paths(arguments, "evaluation.csv").items():
        runs = [concat_cases(path.split("+")) for path in paths]
        if POOLED_SCORE in runs[0] or (CLASS_SCORE in runs[0] and rows not in (None, MEAN_ROW)):
            return None
        methods[method] = pandas.concat(runs).groupby(level=0).mean()
    return methods


def concat_cases(paths: list[str]) -> DataFrame:
    """Return the rows of cases in the tables of one run's folds, sorted."""
    folds = [read_evaluation(path) for path in paths]
    return pandas.concat([fold[~fold.index.str.fullmatch(SUMMARIES)] for fold in folds]).sort_index()


def named_paths(arguments: tuple[str, ...], file: str) -> dict[str, list[str]]:
    """Read "method=path,path" of files of one kind: every method's paths; wildcards are allowed."""
    methods: dict[str, list[str]] = {}
    for argument in arguments:
        method, _, parts = str(argument).partition("=")
        if not parts or method in methods:
            raise InputError(f"{argument}: write method={file},{file}, and every method once.")
        methods[method] = [path for part in parts.split(",") for path in sorted(glob.glob(part)) or [part]]
    if not methods:
        raise InputError(f"nothing to merge; write method={file}, once for every method.")
    return methods


def read_methods(arguments: tuple[str, ...], rows: str | None = None) -> tuple[DataFrame, int]:
    """Read "method=path,path": a row of scores per run, named by its method, and the number of cases of each."""
    found, first = [], None
    for method, paths in named_paths(arguments, "evaluation.csv").items():
        for path in paths:
            cases, scores = read_run(path.split("+"), rows)
            first = first or (path, cases, list(scores.index))
            for what, here, there in [("cases", cases, first[1]), ("columns", list(scores.index), first[2])]:
                if here != there:
                    example = min(set(here) ^ set(there), default="their order")
                    raise InputError(f"{path}: other {what} than {first[0]} ({example}); evaluate on one test set.")
            found.append(scores.rename(method))
    return DataFrame(found), len(first[1])
