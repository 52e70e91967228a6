"""Dual attention: a gate per channel and a gate per position."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["DualAttention"]


class DualAttention(nn.Module):
    """Multiply features by a gate per channel and a gate per position, both between 0 and 1.

    The "dual attention" behind the multi-scale fusion in Fig. 1 of Al Shafi et al., "Multi-Level Bidirectional Decoder
    Interaction for Uncertainty-Aware Breast Ultrasound Analysis", which no equation defines; here as their program has
    it. Both gates see the same input: the channels' gate its mean over space, the positions' gate the maximum and the
    mean over channels.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(8, channels // 16)
        self.channel_gate = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
        self.place_gate = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, features: Tensor) -> Tensor:
        """Weigh features (B, C, H, W); the shape stays."""
        channels = self.channel_gate(features.mean(dim=(2, 3))).sigmoid()[:, :, None, None]
        summary = torch.cat([features.amax(dim=1, keepdim=True), features.mean(dim=1, keepdim=True)], dim=1)
        return features * channels * self.place_gate(summary).sigmoid()
