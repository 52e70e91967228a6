"""Ask whether one set of cases orders methods as another does: painted brains and real ones.

    python -m ci rank-agreement --first "painted/*/seed*/subsets.csv" --second "real/*/seed*/subsets.csv" --out order

reads the tables of two studies (`evaluation.csv` or `subsets.csv`; a method is named by its folder, <method>/<run>/)
and writes order.md and order.csv: the methods' mean Dice on both sets, and for every region Spearman's rank
correlation over the methods. Scores of subsets are averaged per case, those of several runs per method.

- interval: 95 %, percentile bootstrap over the cases of both sets: what other cases of the same kind would show. What
  other trainings would show is not in it.
- p: two-sided permutation test of the pairing of the methods, exact up to 8 methods.
"""

from __future__ import annotations

import glob
from pathlib import Path

import numpy as np
import pandas
from pandas import DataFrame

from ci.experiments.evaluation_files import OF_SUBSET, concat_cases
from shared.errors import InputError

__all__ = ["rank_correlation"]

SAMPLES = 9999
ALL_PAIRINGS = 40320  # of 8 methods


def rank_correlation(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float, float]:
    """Spearman's rank correlation of the methods' means on two sets of cases.

    Args:
        first: (methods, cases), scores.
        second: (methods, other cases).

    Returns:
        The correlation, the ends of its interval, p. NaN where all methods are equal.
    """
    from scipy.stats import permutation_test, rankdata

    generator = np.random.default_rng(0)
    means = []
    for scores in (first, second):
        count = scores.shape[1]
        draws = generator.multinomial(count, [1 / count] * count, size=SAMPLES)
        means.append(np.vstack([scores.mean(axis=1), draws @ scores.T / count]))
    ranks = [rankdata(values, axis=1) for values in means]
    ranks = [values - values.mean(axis=1, keepdims=True) for values in ranks]
    spread = np.sqrt(np.square(ranks[0]).sum(axis=1) * np.square(ranks[1]).sum(axis=1))
    found = np.divide((ranks[0] * ranks[1]).sum(axis=1), spread, out=np.full(SAMPLES + 1, np.nan), where=spread > 0)
    if np.isnan(found[0]):
        return (np.nan,) * 4
    test = permutation_test(
        (ranks[0][0],),
        lambda values, axis: (values * ranks[1][0]).sum(axis=axis),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=ALL_PAIRINGS,
        rng=generator,
    )
    return float(found[0]), *np.nanpercentile(found[1:], (2.5, 97.5)).tolist(), float(test.pvalue)


def read_scores(pattern: str, name: str) -> dict[str, DataFrame]:
    """Return by method a row per case and a column per region, Dice x 100, means over subsets and runs."""
    runs: dict[str, list[DataFrame]] = {}
    for path in sorted(glob.glob(pattern)):
        scores = concat_cases([path]).filter(regex="^dice_(?!.*_pp)")
        regions = scores.columns.str.split(OF_SUBSET).str[0].str.removeprefix("dice_")
        runs.setdefault(Path(path).parts[-3], []).append(100 * scores.T.groupby(regions, sort=False).mean().T)
    if not runs:
        raise InputError(f'{name}: no file fits {pattern!r}; give a pattern such as "study/*/seed*/subsets.csv".')
    methods = {method: pandas.concat(found).groupby(level=0).mean() for method, found in runs.items()}
    example = next(iter(methods))
    for method, scores in methods.items():
        if not scores.index.equals(methods[example].index) or scores.isna().any(axis=None):
            raise InputError(f"{name}: {method} has other cases than {example}; evaluate both on one test set.")
    return methods


def main(first: str, second: str, out: str) -> None:
    """Compare the order of methods on two sets of cases.

    Args:
        first: pattern of the tables on the first set, .../<method>/<run>/subsets.csv.
        second: pattern of the tables on the second set.
        out: where the table is written, without suffix.
    """
    both = [read_scores(first, "first"), read_scores(second, "second")]
    methods = [method for method in both[0] if method in both[1]]
    if len(methods) < 3:
        raise InputError(f"first, second: share {len(methods)} methods; an order needs 3 or more.")
    tables = {}
    for region in both[0][methods[0]].columns:
        scores = [np.stack([found[method][region].to_numpy() for method in methods]) for found in both]
        for name, values in zip(("first", "second"), scores, strict=True):
            tables[f"{region}, {name}"] = [*(f"{mean:.1f}" for mean in values.mean(axis=1)), "", "", ""]
        rho, low, high, p = rank_correlation(*scores)
        significance = "< 0.001" if p < 0.001 else f"{p:.3f}"
        tables[f"{region}, first"][-3:] = [f"{rho:.2f}", f"{low:.2f} to {high:.2f}", significance]
    from shared.reports.score_table import markdown_table, markdown_text, write_report  # imports MONAI

    table = DataFrame(tables, [*methods, "Spearman's rank correlation", "95 % interval", "p"])
    numbers = " and ".join(f"{len(found[methods[0]])}" for found in both)
    text = markdown_text(
        markdown_table(table.rename_axis("method")),
        f"Dice x 100, means over {numbers} cases. The interval resamples cases, not trainings. p: pairings permuted.",
    )
    write_report(Path(out), table, text, None)
    print(text, end="")
