"""Decoder with skip connections, for one modality or for what several were fused to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .conv_blocks import upsample

__all__ = ["DecoderLevel", "ExpertDecoder"]


class DecoderLevel(nn.Module):
    """What a decoder does on the way to one level: `up` from the level below, `merge` with the level's own features.

    Both halve the channels: `up` takes 2C to C at twice the size, `merge` takes two maps of C, concatenated, to C.

    Args:
        channels: C of the level.
        block: `ConvNormAct` or `NormActConv`.
        upsampling: "trilinear" or "nearest".
    """

    def __init__(self, channels: int, block: type[nn.Module], upsampling: str = "trilinear") -> None:
        super().__init__()
        self.up = nn.Sequential(upsample(upsampling), block(2 * channels, channels))
        self.merge = nn.Sequential(block(2 * channels, channels), block(channels, channels, kernel_size=1))


class ExpertDecoder(nn.Module):
    """Segment from the feature maps of a single modality; one decoder, with the same weights, serves all modalities.

    Args:
        widths: channels of the encoder's levels, doubling from level to level.
        out_channels: classes.
        block: `ConvNormAct` or `NormActConv`.
        upsampling: "trilinear" or "nearest".
    """

    def __init__(
        self, widths: Sequence[int], out_channels: int, block: type[nn.Module], upsampling: str = "trilinear"
    ) -> None:
        super().__init__()
        self.levels = nn.ModuleList(DecoderLevel(channels, block, upsampling) for channels in reversed(widths[:-1]))
        self.head = nn.Conv3d(widths[0], out_channels, kernel_size=1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return logits (P, classes, *spatial) from one map (P, C, *spatial) per level, the finest first."""
        decoded = features[-1]
        for i, level in enumerate(self.levels):
            decoded = level.merge(torch.cat([level.up(decoded), features[-2 - i]], dim=1))
        return self.head(decoded)
