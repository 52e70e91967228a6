"""Probabilities of a lower level brought to the label's size, for deep supervision."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["probabilities_at_size"]


def probabilities_at_size(logits: Tensor, size: torch.Size) -> Tensor:
    """Enlarge probabilities (trilinear, corners aligned), and return their logarithms: logits (B, C, *size)."""
    if logits.shape[2:] == size:
        return logits
    with torch.autocast(logits.device.type, enabled=False):
        p = functional.interpolate(logits.float().softmax(dim=1), size, mode="trilinear", align_corners=True)
        return p.clamp(min=torch.finfo(p.dtype).tiny).log()
