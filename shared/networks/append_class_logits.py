"""Append an image's class logits to its mask logits, in one tensor, as MONAI's inferers and exporters need it."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["append_class_logits"]


def append_class_logits(logits: Tensor, class_logits: Tensor) -> Tensor:
    """Append class logits as channels that are constant over space.

    Args:
        logits: (B, C, H, W).
        class_logits: (B, K).

    Returns:
        (B, C + K, H, W).
    """
    constant = class_logits[:, :, None, None].expand(-1, -1, logits.shape[2], logits.shape[3])
    return torch.cat([logits, constant.to(logits.dtype)], dim=1)
