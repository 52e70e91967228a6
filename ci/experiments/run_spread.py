"""Tell a difference between methods from the differences that chance makes between the runs of one method."""

from __future__ import annotations

import numpy as np

__all__ = ["MARK", "Table", "spread_sentence", "within_spread"]

MARK = "≈"
Table = dict[str, dict[str, np.ndarray]]  # method to heading to one number per run


def within_spread(values: np.ndarray, reference: np.ndarray) -> bool:
    """Whether two means differ by less than the larger of the two ranges over runs; a single run has none."""
    return abs(values.mean() - reference.mean()) < max(np.ptp(values), np.ptp(reference))


def spread_sentence(table: Table) -> str:
    """Say what the mark means, or that there is nothing to tell chance by."""
    first, *_ = table
    runs = [len(next(iter(scores.values()))) for scores in table.values()]
    if max(runs) == 1:
        return "One run per method: how much runs differ by chance is unknown, and so is what a difference means."
    sentence = f"{MARK}: differs from {first} by less than the larger of the two ranges, so no difference is shown."
    if min(runs) == 1:
        sentence += " How much the runs of a method with one run differ by chance is unknown."
    return sentence
