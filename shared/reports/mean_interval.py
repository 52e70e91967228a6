"""95 % interval of a mean over cases, by the bootstrap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from pandas import DataFrame

__all__ = ["INTERVAL", "INTERVAL_NOTE", "interval_texts", "mean_interval"]

SHARE, SAMPLES = 0.95, 9999
INTERVAL = f"{SHARE:.0%} interval".replace("%", " %")
INTERVAL_NOTE = (
    f"{INTERVAL} of a mean: percentile bootstrap over cases ({SAMPLES} samples). It says how cases differ, not how "
    "another training would."
)


def mean_interval(values: ArrayLike) -> tuple[float, float]:
    """Return the ends of the 95 % interval of a mean, by the percentile bootstrap of SciPy, seeded.

    Args:
        values: one per case; NaN is left out. Fewer than two have no interval: NaN.
    """
    from scipy.stats import bootstrap

    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return np.nan, np.nan
    interval = bootstrap(
        (values,),
        np.mean,
        n_resamples=SAMPLES,
        confidence_level=SHARE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def interval_texts(scores: DataFrame) -> dict[str, str]:
    """Return "low to high" of the mean of every column, nothing where there is no interval."""
    intervals = {name: mean_interval(scores[name]) for name in scores.columns}
    return {name: "" if np.isnan(low) else f"{low:.4f} to {high:.4f}" for name, (low, high) in intervals.items()}
