"""Voxel-wise sensitivity and precision: whether a segmentation finds too little or too much."""

from __future__ import annotations

import torch
from monai.metrics import CumulativeIterationMetric
from monai.metrics.utils import do_metric_reduction
from monai.utils import convert_to_tensor
from torch import Tensor

__all__ = ["SensitivityPrecisionMetric", "sensitivity_precision"]


def sensitivity_precision(prediction: Tensor, target: Tensor) -> Tensor:
    """Share of the target that was found, and share of what was found that is in the target, region by region.

    TP / (TP + FN) and TP / (TP + FP), counted as integers (MONAI's `get_confusion_matrix` counts in float32, and true
    negatives of a large volume are inexact there). Target empty: both NaN, since nothing can be found. Prediction alone
    empty: both 0. The same rule as for lesions in ultrasound (`lesion_scores`).

    Args:
        prediction: (C, *spatial), regions as 0 and 1 or bool.
        target: same shape.

    Returns:
        (C, 2), sensitivity and precision.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"shapes differ: prediction {tuple(prediction.shape)}, target {tuple(target.shape)}")
    predicted, true = (convert_to_tensor(regions, track_meta=False) != 0 for regions in (prediction, target))
    common, found, there = (masks.flatten(1).sum(1) for masks in (predicted & true, predicted, true))
    scores = torch.stack([common / there, (common / found).nan_to_num(0.0)], dim=1)
    return scores.where((there > 0)[:, None], torch.nan)


class SensitivityPrecisionMetric(CumulativeIterationMetric):
    """`sensitivity_precision` of every case and region, and its means.

    Call it with lists of (C, *spatial). The buffer is (cases, C x 2): of every region sensitivity, then precision.
    MONAI's `ConfusionMatrixMetric` has the four counts in its buffer, and no score for an empty prediction.
    """

    def _compute_tensor(self, y_pred: Tensor, y: Tensor) -> Tensor:
        return sensitivity_precision(y_pred[0], y[0]).flatten().unsqueeze(0)

    def aggregate(self) -> Tensor:
        """Mean over the cases with the region, of every column."""
        return do_metric_reduction(self.get_buffer(), "mean_batch")[0]
