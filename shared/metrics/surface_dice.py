"""Surface Dice at a tolerance in millimetres, defined for empty regions too."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from monai.data import MetaTensor
from monai.metrics import CumulativeIterationMetric, compute_surface_dice
from monai.metrics.utils import do_metric_reduction
from torch import Tensor

__all__ = ["SurfaceDiceInMmMetric", "surface_dice"]


def surface_dice(prediction: Tensor, target: Tensor, spacing_mm: Sequence[float], tolerance_mm: float) -> Tensor:
    """Share of both surfaces that is within a tolerance of the other surface, region by region.

    `monai.metrics.compute_surface_dice` (Nikolov et al., arXiv 1809.04430, 2018) with voxels of this size. Both empty:
    1. One empty: 0.

    Args:
        prediction: (C, *spatial), regions as 0 and 1 or bool.
        target: same shape.
        spacing_mm: voxel size along every axis.
        tolerance_mm: distance up to which surfaces agree.

    Returns:
        (C,).
    """
    if prediction.shape != target.shape:
        raise ValueError(f"shapes differ: prediction {tuple(prediction.shape)}, target {tuple(target.shape)}")
    scores = torch.ones(len(target), device=target.device)
    for region, (predicted, true) in enumerate(zip(prediction != 0, target != 0, strict=True)):
        if predicted.any() and true.any():
            pair = (predicted[None, None].float(), true[None, None].float())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # MONAI's own deprecations
                found = compute_surface_dice(
                    *pair, [float(tolerance_mm)], include_background=True, spacing=[float(size) for size in spacing_mm]
                )
            scores[region] = found[0, 0]
        elif predicted.any() or true.any():
            scores[region] = 0
    return scores


class SurfaceDiceInMmMetric(CumulativeIterationMetric):
    """`surface_dice` of every case and region, and its mean.

    Call it with lists of (C, *spatial) `MetaTensor`s: the voxel size is the target's. The buffer is (cases, C).
    MONAI's `SurfaceDiceMetric` takes one voxel size for all cases.

    Args:
        tolerance_mm: see `surface_dice`.
    """

    def __init__(self, tolerance_mm: float = 1.0) -> None:
        super().__init__()
        if not tolerance_mm >= 0:
            raise ValueError(f"tolerance_mm must not be negative, got {tolerance_mm}.")
        self.tolerance_mm = tolerance_mm

    def _compute_tensor(self, y_pred: Tensor, y: Tensor) -> Tensor:
        if not isinstance(y, MetaTensor):
            raise ValueError("the target must be a MetaTensor, since its affine holds the voxel size.")
        return surface_dice(y_pred[0], y[0], y.pixdim[: y.ndim - 2].tolist(), self.tolerance_mm).unsqueeze(0)

    def aggregate(self) -> Tensor:
        """Mean over cases and regions."""
        return do_metric_reduction(self.get_buffer(), "mean")[0]
