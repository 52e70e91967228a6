"""Voxel-wise sensitivity and precision: whether a segmentation finds too little or too much."""

from __future__ import annotations

import torch
from monai.metrics import CumulativeIterationMetric, compute_confusion_matrix_metric, get_confusion_matrix
from monai.metrics.utils import do_metric_reduction
from monai.utils import convert_to_tensor
from torch import Tensor

__all__ = ["SensitivityPrecisionMetric", "sensitivity_precision"]

NAMES = ("sensitivity", "precision")


def sensitivity_precision(prediction: Tensor, target: Tensor) -> Tensor:
    """Share of the target that was found, and share of what was found that is in the target, region by region.

    TP / (TP + FN) and TP / (TP + FP), by `monai.metrics.compute_confusion_matrix_metric`. Target empty: both NaN, since
    nothing can be found. Prediction alone empty: both 0. The same rule as for lesions in ultrasound (`lesion_scores`).

    Args:
        prediction: (C, *spatial), regions as 0 and 1 or bool.
        target: same shape.

    Returns:
        (C, 2), sensitivity and precision.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"shapes differ: prediction {tuple(prediction.shape)}, target {tuple(target.shape)}")
    predicted, true = (convert_to_tensor(regions, track_meta=False) != 0 for regions in (prediction, target))
    scores = torch.full((len(true), len(NAMES)), torch.nan, device=true.device)
    for region, (found, there) in enumerate(zip(predicted, true, strict=True)):
        if there.any():
            either = found | there  # true negatives are in neither score, and MONAI counts them in float32
            counts = get_confusion_matrix(*(mask[either].byte()[None, None] for mask in (found, there)))
            of_region = torch.cat([compute_confusion_matrix_metric(name, counts) for name in NAMES], dim=1)
            scores[region] = of_region[0].nan_to_num(0.0)
    return scores


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
