"""Upsampling by a linear layer whose outputs are the positions of a finer map."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ChannelNorm", "PatchExpanding"]


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of every position of a map (B, C, H, W)."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        return super().forward(features.movedim(1, -1)).movedim(-1, 1)


class PatchExpanding(nn.Sequential):
    """Patch expanding layer: linear layer, rearrangement to a finer map, layer normalisation.

    Cao et al., "Swin-Unet", ECCV 2022 workshops, Section 3.5. A 1 x 1 convolution without bias and a pixel shuffle,
    whose order of channels differs from the paper's code: the filters are those of the linear layer, permuted.

    Args:
        in_channels: of the map.
        out_channels: of the finer map.
        scale: how many times finer, along both axes.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: int = 2) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels * scale**2, 1, bias=False),
            nn.PixelShuffle(scale),
            ChannelNorm(out_channels),
        )
