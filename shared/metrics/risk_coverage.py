"""Risk-coverage curve: what is left of the error when only certain predictions count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["risk_coverage"]


def risk_coverage(
    uncertainty: np.ndarray, predicted: np.ndarray, true: np.ndarray, coverages: Sequence[float]
) -> np.ndarray:
    """Error and Dice of the most certain share of predictions (El-Yaniv and Wiener, JMLR 11, 2010).

    If uncertainty shows where predictions are wrong, the error falls and Dice rises as fewer are kept.

    Args:
        uncertainty: (N,), of the predictions of one case.
        predicted: (N,), classes, 0 is background.
        true: (N,), classes.
        coverages: shares that are kept, above 0 and up to 1.

    Returns:
        (len(coverages), 2): share of wrong predictions, and Dice of all classes but background together (1 where there
        is none), among those kept.
    """
    order = np.argsort(uncertainty, kind="stable")
    rows = []
    for coverage in coverages:
        kept = order[: max(1, round(coverage * len(order)))]
        ours, theirs = predicted[kept] > 0, true[kept] > 0
        found = ours.sum() + theirs.sum()
        rows.append(((predicted[kept] != true[kept]).mean(), 2 * (ours & theirs).sum() / found if found else 1.0))
    return np.array(rows, dtype=float)
