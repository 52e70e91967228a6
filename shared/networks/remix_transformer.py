"""Transformer block on maps, with attention to a coarser map and a feed-forward network that sees its neighbours."""

from __future__ import annotations

from monai.networks.blocks import CrossAttentionBlock
from torch import Tensor, nn

from .patch_expanding import ChannelNorm

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
    """ReMixed transformer block: efficient self-attention and ReMix-FFN, each after a layer normalisation, with skips.

    Every position attends to those of a coarser map, which a convolution without overlap makes (the attention of
    PVT, Wang et al., ICCV 2021): MONAI's `CrossAttentionBlock` between the two maps.

    Args:
        channels: of the map; a multiple of `num_heads`.
        num_heads: of the attention.
        reduction: how many times coarser the other map is along both axes; 1 for plain self-attention. Height and
            width are multiples of it.
    """

    def __init__(self, channels: int, num_heads: int, reduction: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.reduce = (
            nn.Sequential(nn.Conv2d(channels, channels, reduction, stride=reduction), ChannelNorm(channels))
            if reduction > 1
            else nn.Identity()
        )
        self.attention = CrossAttentionBlock(channels, num_heads, qkv_bias=True)
        self.feed_forward_norm = nn.LayerNorm(channels)
        self.feed_forward = RemixFeedForward(channels, 4 * channels)

    def forward(self, features: Tensor) -> Tensor:
        """Transform a map (B, C, H, W)."""
        features = features.permute(0, 2, 3, 1)
        normal = self.attention_norm(features)
        coarse = self.reduce(normal.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
        features = features + self.attention(normal.flatten(1, 2), coarse).reshape(features.shape)
        features = features + self.feed_forward(self.feed_forward_norm(features))
        return features.permute(0, 3, 1, 2)
