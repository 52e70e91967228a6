"""Lesion-wise scores of every case of an evaluation."""

from __future__ import annotations

import numpy as np
import torch
from monai.data import MetaTensor
from monai.metrics import CumulativeIterationMetric
from monai.metrics.utils import do_metric_reduction
from torch import Tensor

from .lesion_wise import dilated_lesion_scores, matched_lesion_scores

__all__ = ["LesionWiseMetric"]

DETECTED = 0.1  # Dice of a match that counts for F1, BraTS metastases since 2025


class LesionWiseMetric(CumulativeIterationMetric):
    """Both lesion-wise scores of every case and region.

    Call it with lists of (C, x, y, z) `MetaTensor`s: the voxel size is the target's. The buffer is (cases, C x 6), per
    region:

    - Dice, HD95 and F1 by `dilated_lesion_scores`;
    - Dice and surface Dice over matches, and F1, by `matched_lesion_scores`. A match with a Dice below 0.1 is missed.

    Args:
        dilation_voxels: see `dilated_lesion_scores`.
        min_volume_mm3: see `dilated_lesion_scores`.
    """

    def __init__(self, dilation_voxels: int = 3, min_volume_mm3: float = 50.0) -> None:
        super().__init__()
        self.dilation_voxels = dilation_voxels
        self.min_volume_mm3 = min_volume_mm3

    def _compute_tensor(self, y_pred: Tensor, y: Tensor) -> Tensor:
        if not isinstance(y, MetaTensor):
            raise ValueError("the target must be a MetaTensor, since its affine holds the voxel size.")
        spacing_mm, scores = y.pixdim[: y.ndim - 2].tolist(), []
        for regions in zip(np.asarray(y_pred[0].cpu()), np.asarray(y[0].cpu()), strict=True):
            dilated = dilated_lesion_scores(*regions, spacing_mm, self.dilation_voxels, self.min_volume_mm3)
            matched = matched_lesion_scores(*regions, spacing_mm)
            scores += [dilated.mean_dice, dilated.mean_hausdorff_95_mm, dilated.f1()]
            scores += [matched.mean_dice, matched.mean_surface_dice, matched.f1(DETECTED)]
        return torch.tensor([scores])

    def aggregate(self) -> Tensor:
        """Mean over cases, of every column."""
        return do_metric_reduction(self.get_buffer(), "mean_batch")[0]
