"""Fuse the feature maps of several modalities by one weight per modality."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["equal_weights", "weighted_sum"]


def equal_weights(filled: Tensor) -> Tensor:
    """Return weights (B, K), equal over the available modalities, boolean (B, K), and 0 elsewhere."""
    return filled.float() / filled.sum(dim=1, keepdim=True)


def weighted_sum(packed: Tensor, weights: Tensor) -> Tensor:
    """Sum features over modalities, (B, C, *spatial).

    Args:
        packed: (B, K, C, *spatial).
        weights: (B, K).
    """
    return (
        torch.matmul(weights.to(packed.dtype).unsqueeze(1), packed.flatten(2)).squeeze(1).unflatten(1, packed.shape[2:])
    )
