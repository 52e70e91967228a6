"""95th percentile Hausdorff distance in millimetres, defined for empty regions too."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from monai.data import MetaTensor
from monai.metrics import CumulativeIterationMetric, compute_hausdorff_distance
from monai.metrics.utils import do_metric_reduction
from torch import Tensor

__all__ = ["Hausdorff95Metric", "OneEmptyMetric", "hausdorff_95"]


def hausdorff_95(prediction: Tensor, target: Tensor, spacing_mm: Sequence[float]) -> Tensor:
    """Distance between two surfaces, region by region.

    The larger of the two directed distances, each the 95th percentile over one surface's voxels of the distance to the
    other surface (`monai.metrics.compute_hausdorff_distance`). Both empty: 0. One empty: the image's diagonal, sizes
    times spacing, which is BraTS's penalty (373.1 mm on 240 x 240 x 155 voxels of 1 mm).

    Args:
        prediction: (C, *spatial), regions as 0 and 1 or bool.
        target: same shape.
        spacing_mm: voxel size along every axis.

    Returns:
        (C,), millimetres.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"shapes differ: prediction {tuple(prediction.shape)}, target {tuple(target.shape)}")
    spacing_mm = [float(size) for size in spacing_mm]
    if len(spacing_mm) != prediction.ndim - 1:
        raise ValueError(f"spacing_mm must have one number per axis ({prediction.ndim - 1}), got {spacing_mm}.")
    diagonal = sum((voxels * size) ** 2 for voxels, size in zip(target.shape[1:], spacing_mm, strict=True)) ** 0.5
    distances = torch.zeros(len(target), device=target.device)
    for region, (predicted, true) in enumerate(zip(prediction != 0, target != 0, strict=True)):
        if predicted.any() and true.any():
            pair = (predicted[None, None], true[None, None])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # MONAI 1.6 calls its own deprecated argument
                distance = compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=spacing_mm)
            distances[region] = distance
        elif predicted.any() or true.any():
            distances[region] = diagonal
    return distances


class Hausdorff95Metric(CumulativeIterationMetric):
    """`hausdorff_95` of every case and region, and its mean.

    Call it with lists of (C, *spatial) `MetaTensor`s: the voxel size is the target's. The buffer is (cases, C).
    """

    def _compute_tensor(self, y_pred: Tensor, y: Tensor) -> Tensor:
        if not isinstance(y, MetaTensor):
            raise ValueError("the target must be a MetaTensor, since its affine holds the voxel size.")
        spacing_mm = y.pixdim[: y.ndim - 2].tolist()
        return hausdorff_95(y_pred[0], y[0], spacing_mm).unsqueeze(0)

    def aggregate(self) -> Tensor:
        """Mean over cases and regions."""
        return do_metric_reduction(self.get_buffer(), "mean")[0]


class OneEmptyMetric(CumulativeIterationMetric):
    """Whether exactly one of prediction and target is empty, so that Dice is 0 and HD95 the image's diagonal by rule.

    Call it like `Hausdorff95Metric`. The buffer is (cases, C), zeros and ones; the aggregate is their share.
    """

    def _compute_tensor(self, y_pred: Tensor, y: Tensor) -> Tensor:
        return (y_pred.flatten(2).any(dim=2) != y.flatten(2).any(dim=2)).float()

    def aggregate(self) -> Tensor:
        """Share of cases and regions."""
        return do_metric_reduction(self.get_buffer(), "mean")[0]
