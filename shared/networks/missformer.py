"""MISSFormer: hierarchical transformer with attention between all levels of its encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .context_bridge import ContextBridge
from .patch_expanding import ChannelNorm, PatchExpanding
from .remix_transformer import RemixTransformerBlock
from .size_rule import check_multiples

__all__ = ["MISSFormer"]

REDUCTIONS = (8, 4, 2, 1)  # of keys and values at the four levels: each is then 1/32 of the image


class MISSFormer(nn.Module):
    """MISSFormer: encoder and decoder of ReMixed transformer blocks, and a context bridge between their four levels.

    Huang et al., "MISSFormer: An Effective Transformer for 2D Medical Image Segmentation", IEEE TMI 42(5), 2023: 35.4
    million parameters. The public code has 7.0 million more, which its output does not depend on: the deepest level
    of its decoder, and two unused normalisations of every feed-forward network. Height and width are multiples of 32.

    Args:
        in_channels: of the image.
        out_channels: of the logits.
        channels: of the four levels, fine to coarse; multiples of the first.
        num_heads: of the attention of each level; its channels are a multiple of them.
        depths: blocks of the encoder's levels.
        bridge_layers: see `ContextBridge`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        channels: Sequence[int] = (64, 128, 320, 512),
        num_heads: Sequence[int] = (1, 2, 5, 8),
        depths: Sequence[int] = (2, 2, 2, 2),
        bridge_layers: int = 4,
    ) -> None:
        super().__init__()
        if not len(channels) == len(num_heads) == len(depths) == 4:
            raise ValueError(
                "channels, num_heads and depths must hold four numbers each, got "
                f"{list(channels)}, {list(num_heads)} and {list(depths)}."
            )
        self.in_channels = in_channels
        self.encoder = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(source, width, kernel, stride=stride, padding=kernel // 2),
                ChannelNorm(width),
                *(RemixTransformerBlock(width, heads, reduction) for _ in range(depth)),
                ChannelNorm(width),
            )
            for source, width, kernel, stride, heads, reduction, depth in zip(
                [in_channels, *channels[:-1]], channels, (7, 3, 3, 3), (4, 2, 2, 2), num_heads, REDUCTIONS, depths,
                strict=True,
            )
        )  # fmt: skip
        self.bridge = ContextBridge(channels, REDUCTIONS, bridge_layers)
        self.expand = nn.ModuleList(PatchExpanding(width, width // 2) for width in channels[:0:-1])
        self.decoder = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(below // 2 + width, width, 1),
                *(RemixTransformerBlock(width, heads, reduction) for _ in range(2)),
            )
            for below, width, heads, reduction in zip(
                channels[:0:-1], channels[-2::-1], num_heads[-2::-1], REDUCTIONS[-2::-1], strict=True
            )
        )
        self.mask_head = nn.Sequential(
            PatchExpanding(channels[0], channels[0], 4), nn.Conv2d(channels[0], out_channels, 1)
        )
        for part in (self.expand, self.decoder, self.mask_head):
            part.apply(_xavier)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, `out_channels`, H, W) of images (B, `in_channels`, H, W)."""
        check_multiples(image, self.in_channels, 32)
        maps: list[Tensor] = []
        features = image
        for stage in self.encoder:
            features = stage(features)
            maps.append(features)
        *skips, features = self.bridge(maps)
        for expand, blocks, skip in zip(self.expand, self.decoder, skips[::-1], strict=True):
            features = blocks(torch.cat([expand(features), skip], dim=1))
        return self.mask_head(features)


def _xavier(module: nn.Module) -> None:
    """Draw the weights of the decoder as the public code does."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
