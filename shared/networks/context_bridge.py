"""Context bridge of MISSFormer: attention between the maps of all levels of an encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import CrossAttentionBlock
from torch import Tensor, nn

from .remix_transformer import RemixFeedForward

__all__ = ["ContextBridge"]


class ContextBridge(nn.Module):
    """ReMixed transformer context bridge: the positions of all levels attend to those of all levels, made coarser.

    Huang et al., "MISSFormer", IEEE TMI 42(5), 2023. A position of a level with k times the channels of the first is k
    tokens. Feed-forward networks (`RemixFeedForward`) are those of each level.

    Args:
        channels: of the levels, fine to coarse; multiples of the first.
        reductions: how many times coarser each level is for keys and values.
        num_layers: of attention and feed-forward networks.
    """

    def __init__(self, channels: Sequence[int], reductions: Sequence[int], num_layers: int = 4) -> None:
        super().__init__()
        if len(channels) != len(reductions) or any(width % channels[0] for width in channels):
            raise ValueError(
                "channels must be multiples of the first, with one reduction each, got "
                f"{list(channels)} and {list(reductions)}."
            )
        self.layers = nn.Sequential(*(_Layer(channels, reductions) for _ in range(num_layers)))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Transform the maps (B, C, H, W) of all levels, fine to coarse."""
        bridged = self.layers([features.permute(0, 2, 3, 1) for features in maps])
        return [features.permute(0, 3, 1, 2) for features in bridged]


class _Layer(nn.Module):
    """One layer, on maps with their channels last, (B, H, W, C)."""

    def __init__(self, channels: Sequence[int], reductions: Sequence[int]) -> None:
        super().__init__()
        self.width = channels[0]
        self.attention_norm = nn.LayerNorm(self.width)
        self.reduce = nn.ModuleList(
            nn.Conv2d(width, width, reduction, stride=reduction) if reduction > 1 else nn.Identity()
            for width, reduction in zip(channels, reductions, strict=True)
        )
        self.reduced_norm = nn.LayerNorm(self.width)
        self.attention = CrossAttentionBlock(self.width, 1, qkv_bias=True)
        self.feed_forward_norm = nn.LayerNorm(self.width)
        self.feed_forward = nn.ModuleList(RemixFeedForward(width, 4 * width) for width in channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        shapes = [features.shape for features in maps]
        tokens = [self._tokens(features) for features in maps]
        normal = [self.attention_norm(part) for part in tokens]
        coarse = [
            reduce(part.reshape(shape).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            for reduce, part, shape in zip(self.reduce, normal, shapes, strict=True)
        ]
        keys = self.reduced_norm(torch.cat([self._tokens(features) for features in coarse], dim=1))
        tokens = [part + self.attention(queries, keys) for part, queries in zip(tokens, normal, strict=True)]
        return [
            part.reshape(shape) + feed_forward(self.feed_forward_norm(part).reshape(shape))
            for part, shape, feed_forward in zip(tokens, shapes, self.feed_forward, strict=True)
        ]

    def _tokens(self, features: Tensor) -> Tensor:
        """Return (B, H W C / `width`, `width`) of a map (B, H, W, C)."""
        return features.reshape(features.shape[0], -1, self.width)
