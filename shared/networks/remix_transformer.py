"""Transformer block on maps, with attention to a coarser map and a feed-forward network that sees its neighbours."""

from __future__ import annotations

from torch import Tensor, nn

from .reduced_attention import ReducedAttention

__all__ = ["RemixFeedForward", "RemixTransformerBlock"]


class RemixFeedForward(nn.Module):
    """ReMix-FFN: the hidden features plus their 3 x 3 depthwise convolution, normalised, between two linear layers.

    Huang et al., "MISSFormer", IEEE TMI 42(5), 2023.

    Args:
        channels: of the map.
        hidden: between the linear layers.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Linear(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.norm = nn.LayerNorm(hidden)
        self.act = nn.GELU()
        self.project = nn.Linear(hidden, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Transform a map with its channels last, (B, H, W, C)."""
        hidden = self.expand(features)
        local = self.depthwise(hidden.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.project(self.act(self.norm(local + hidden)))


class RemixTransformerBlock(nn.Module):
    """ReMixed transformer block: `ReducedAttention` and ReMix-FFN, each after a layer normalisation, with skips.

    Args:
        channels: see `ReducedAttention`.
        num_heads: see there.
        reduction: see there.
    """

    def __init__(self, channels: int, num_heads: int, reduction: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = ReducedAttention(channels, num_heads, reduction)
        self.feed_forward_norm = nn.LayerNorm(channels)
        self.feed_forward = RemixFeedForward(channels, 4 * channels)

    def forward(self, features: Tensor) -> Tensor:
        """Transform a map (B, C, H, W)."""
        features = features.permute(0, 2, 3, 1)
        features = features + self.attention(self.attention_norm(features))
        features = features + self.feed_forward(self.feed_forward_norm(features))
        return features.permute(0, 3, 1, 2)
