"""Compare methods case by case: mean difference to the first, its bootstrap interval, Wilcoxon's test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pandas import DataFrame, MultiIndex

from ci.experiments.run_spread import MARK
from shared.reports.mean_interval import INTERVAL, SAMPLES, mean_interval

__all__ = ["COLUMNS", "difference_rows", "paired_differences", "paired_sentence"]

COLUMNS = ["cases", "difference", "low", "high", "wilcoxon_p"]
MOST_EXACT = 13  # cases whose 2^n signs are all summed


def paired_differences(methods: Mapping[str, DataFrame]) -> DataFrame:
    """Compare every method with the first one.

    Args:
        methods: by name, a row per case and a column per score, each the mean over the method's runs; NaN where a case
            has no score. All have the same columns.

    Returns:
        By method and score `COLUMNS`: the number of cases that both methods have; the mean of the differences to the
        first method; the ends of its 95 % interval (percentile bootstrap over cases, seeded; NaN for one case); the p
        of Wilcoxon's signed-rank test (two-sided; 1 if no case differs).
    """
    first = next(iter(methods.values()))
    rows = {
        (method, score): _compared((scores[score] - first[score]).dropna().to_numpy(dtype=float))
        for method, scores in list(methods.items())[1:]
        for score in first.columns
    }
    index = MultiIndex.from_tuples(rows, names=["method", "score"])
    return DataFrame(rows.values(), index, COLUMNS)


def difference_rows(table: DataFrame, decimals: Mapping[str, int], scores: Sequence[str]) -> DataFrame:
    """Lay out `paired_differences`: a row per method and score, the numbers as texts.

    Args:
        table: of `paired_differences`.
        decimals: of every score.
        scores: that are shown.
    """
    found = {}
    for (method, score), row in table.iterrows():
        if score in scores and row["cases"]:
            low, high, difference = (f"{row[name]:+.{decimals[score]}f}" for name in ("low", "high", "difference"))
            interval = "" if np.isnan(row["low"]) else f"{low} to {high}"
            found[f"{method}: {score}"] = [int(row["cases"]), difference, interval, f"{row['wilcoxon_p']:.3g}"]
    return DataFrame.from_dict(found, orient="index", columns=["cases", "difference", INTERVAL, "Wilcoxon p"])


def paired_sentence(first: str) -> str:
    """Say how the differences were compared."""
    return (
        f"{MARK}: the 95 % interval of the difference to {first} holds 0. Differences are taken case by case, of means "
        f"over a method's runs; the interval is a percentile bootstrap over cases ({SAMPLES} samples), p is Wilcoxon's "
        "signed-rank test, not corrected for the number of comparisons. Both say how cases differ, not how another "
        "training of the same method would."
    )


def _compared(differences: np.ndarray) -> tuple[int, float, float, float, float]:
    """Return the number of differences, their mean, its interval, and p."""
    count = len(differences)
    if not count:
        return 0, np.nan, np.nan, np.nan, np.nan
    return count, float(differences.mean()), *mean_interval(differences), _signed_rank_p(differences)


def _signed_rank_p(differences: np.ndarray) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; cases that do not differ are left out.

    `scipy.stats.wilcoxon` takes the same p from all signs of the ranks where few cases have ties, one after the other:
    minutes for a table of 15 subsets. Here all are summed at once.
    """
    from scipy.stats import permutation_test, rankdata, wilcoxon

    differences = differences[differences != 0]
    if len(differences) < 2:
        return 1.0
    if len(differences) > MOST_EXACT:
        return float(wilcoxon(differences).pvalue)
    ranks = np.sign(differences) * rankdata(np.abs(differences))
    every_sign = {"permutation_type": "samples", "n_resamples": 2**MOST_EXACT, "vectorized": True}
    return float(permutation_test((ranks,), lambda signed, axis: signed.sum(axis), **every_sign).pvalue)
