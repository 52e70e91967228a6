"""Encoder of one modality and decoder of the hetero-modal networks U-HeMIS and U-HVED."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .conv_blocks import NormActConv, upsample

__all__ = ["LEVELS", "STRIDE", "HeteroModalDecoder", "HeteroModalEncoder"]

LEVELS = 4
STRIDE = 2 ** (LEVELS - 1)  # of the deepest level
SLOPE = 0.02  # of the leaky ReLU in NiftyNet, the library of the published code


class HeteroModalEncoder(nn.Module):
    """Feature maps of one modality on four levels: two convolutions on each, max pooling between them.

    Args:
        first_channels: of the first convolution of each level.
        second_channels: of the second, and so of the feature maps.
    """

    def __init__(self, first_channels: Sequence[int], second_channels: Sequence[int]) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv3d(1, first_channels[0], kernel_size=1), nn.LeakyReLU(SLOPE, inplace=True))
        below = [first_channels[0], *second_channels[:-1]]
        self.levels = nn.ModuleList(map(_two_convolutions, below, first_channels, second_channels))
        self.pool = nn.MaxPool3d(2)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return four feature maps, the finest first, of images (n, 1, *spatial)."""
        features = self.enter(image)
        levels: list[Tensor] = []
        for level in self.levels:
            if len(levels) > 0:
                features = self.pool(features)
            features = level(features)
            levels.append(features)
        return levels


class HeteroModalDecoder(nn.Module):
    """From fused feature maps on four levels to one map at full size.

    Args:
        channels: of the fused feature maps, the finest first.
        features: channels of the finest level's first convolution; its second has half of them.
        out_channels: of the output.
    """

    def __init__(self, channels: Sequence[int], features: int, out_channels: int) -> None:
        super().__init__()
        widths = [features * 2**level for level in reversed(range(LEVELS - 1))]
        below = [channels[-1], *(width // 2 for width in widths[:-1])]
        self.upsample = upsample()
        self.levels = nn.ModuleList(
            _two_convolutions(up + skip, width, width // 2)
            for up, skip, width in zip(below, channels[-2::-1], widths, strict=True)
        )
        self.head = nn.Conv3d(widths[-1] // 2, out_channels, kernel_size=1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return (B, `out_channels`, *spatial) from one map per level, the finest first."""
        decoded = features[-1]
        for i, level in enumerate(self.levels):
            decoded = level(torch.cat([self.upsample(decoded), features[-2 - i]], dim=1))
        return self.head(decoded)


def _two_convolutions(in_channels: int, first: int, second: int) -> nn.Module:
    return nn.Sequential(
        NormActConv(in_channels, first, padding_mode="zeros", negative_slope=SLOPE, affine=True),
        NormActConv(first, second, padding_mode="zeros", negative_slope=SLOPE, affine=True),
    )
