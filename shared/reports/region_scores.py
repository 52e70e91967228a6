"""Score the regions of one prediction: Dice, and further scores on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from monai.metrics import CumulativeIterationMetric, compute_dice
from monai.utils import convert_to_tensor
from torch import Tensor

__all__ = ["RegionScores", "Scores"]

Scores = list[float | None]  # None: not defined for this case, such as the sensitivity of a region that it lacks


class RegionScores:
    """Dice of every region, and further metrics.

    Region empty in prediction and label: Dice 1; in one of them: 0.

    Args:
        region_names: R names.
        metrics: name to a metric, see `SubsetEvaluation`.
        columns: name to the names of its columns; may hold more than `metrics`.
    """

    def __init__(
        self,
        region_names: Sequence[str],
        metrics: Mapping[str, CumulativeIterationMetric],
        columns: Mapping[str, Sequence[str]],
    ) -> None:
        self.metrics = dict(metrics)
        self.columns = {"dice": [f"dice_{name}" for name in region_names]}
        self.columns |= {name: list(columns[name]) for name in self.metrics}

    @property
    def names(self) -> list[str]:
        """The columns of all scores."""
        return [column for columns in self.columns.values() for column in columns]

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return what changes the scores: the public numbers among every metric's attributes."""
        return {
            f"{name} by": {
                key: value
                for key, value in vars(metric).items()
                if isinstance(value, (int, float)) and not key.startswith("_")
            }
            for name, metric in self.metrics.items()
        }

    def __call__(self, predicted: Tensor, true: Tensor) -> dict[str, Scores]:
        """Return "dice" and what was requested of two masks (R, *spatial) on one grid."""
        bare, of_label = (convert_to_tensor(regions, track_meta=False)[None] for regions in (predicted, true))
        bare = bare.to(of_label.device)
        scores: dict[str, Scores] = {"dice": compute_dice(bare, of_label, ignore_empty=False)[0].tolist()}
        for name, metric in self.metrics.items():
            found = metric([bare[0]], [true])[0].flatten().tolist()
            metric.reset()
            if len(found) != len(self.columns[name]):
                expected = f"{len(self.columns[name])} columns"
                raise ValueError(f"metric {name!r} has {len(found)} scores, not {expected}; correct columns.")
            scores[name] = [None if np.isnan(score) else score for score in found]  # JSON has no NaN
        return scores

    def row(self, scores: Mapping[str, Scores | None]) -> list[float]:
        """Return the scores as a row of `names`, NaN for what is not defined or was not scored."""
        found = [score for name, columns in self.columns.items() for score in scores[name] or [None] * len(columns)]
        return [np.nan if score is None else score for score in found]
