"""Agreement of two views of one image."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..errors import InputError

__all__ = ["ViewConsistencyLoss"]


class ViewConsistencyLoss(nn.Module):
    """Mean squared difference of the coarsest logits of an image seen with two subsets of its modalities.

    As in the released command of Liu et al., "M3AE: Multimodal Representation Learning for Brain Tumor Segmentation
    with Missing Modalities", AAAI 2023; the paper describes it on feature maps.

    Args:
        weight: of the difference.
    """

    def __init__(self, weight: float = 0.1) -> None:
        super().__init__()
        if not weight >= 0:
            raise InputError(f"weight must be at least 0, got {weight}.")
        self.weight = weight

    def forward(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """Return the loss, a scalar, computed in float32 under autocast as well.

        Args:
            prediction: of `shared.networks.M3AE` in training: "views" (B, 2, C, *spatial).
            target: not read.
        """
        return self.terms(prediction, target)["completion"]

    def terms(self, prediction: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss `completion` and, not weighted, `view_difference`."""
        with torch.autocast(prediction["views"].device.type, enabled=False):
            first, second = prediction["views"].float().unbind(dim=1)
            difference = (first - second).square().mean()
        return {"completion": self.weight * difference, "view_difference": difference}
