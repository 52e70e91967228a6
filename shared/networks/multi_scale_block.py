"""Residual block with multi-scale fusion, of the encoder's adapters and of the decoder's levels."""

from __future__ import annotations

from torch import Tensor, nn

from .dual_attention import DualAttention
from .hierarchical_multi_scale_fusion import HierarchicalMultiScaleFusion, SeparableConv2d

__all__ = ["MultiScaleBlock"]


class MultiScaleBlock(nn.Module):
    """Two separable convolutions, multi-scale fusion and dual attention, added to the input.

    In order: separable convolution - ReLU - batch normalisation - separable convolution - batch normalisation - fusion
    - attention, then the sum with the input (through a 1 x 1 convolution where the channels differ) and a ReLU. The
    box next to the encoder in Fig. 1 of Al Shafi et al., "Multi-Level Bidirectional Decoder Interaction for
    Uncertainty-Aware Breast Ultrasound Analysis".

    Args:
        in_channels: of the input.
        out_channels: of the output.
        fusion: with `HierarchicalMultiScaleFusion`.
        attention: with `DualAttention`.
    """

    def __init__(self, in_channels: int, out_channels: int, fusion: bool = True, attention: bool = True) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            SeparableConv2d(in_channels, out_channels),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(out_channels, eps=1e-3),
            SeparableConv2d(out_channels, out_channels),
            nn.BatchNorm2d(out_channels, eps=1e-3),
            HierarchicalMultiScaleFusion(out_channels) if fusion else nn.Identity(),
            DualAttention(out_channels) if attention else nn.Identity(),
        )
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, `in_channels`, H, W) to (B, `out_channels`, H, W), at least 0."""
        return (self.shortcut(features) + self.residual(features)).relu_()
