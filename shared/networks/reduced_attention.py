"""Attention of all positions of a map to the positions of a coarser map."""

from __future__ import annotations

from monai.networks.blocks import CrossAttentionBlock
from torch import Tensor, nn

from .patch_expanding import ChannelNorm

__all__ = ["ReducedAttention"]


class ReducedAttention(nn.Module):
    """Spatial-reduction attention: keys and values are those of a coarser map.

    Wang et al., "Pyramid Vision Transformer", ICCV 2021. A convolution without overlap and a layer normalisation make
    the coarser map. The attention is MONAI's `CrossAttentionBlock`.

    Args:
        channels: of the map; a multiple of `num_heads`.
        num_heads: of the attention.
        reduction: how many times coarser the other map is along both axes; 1 for plain self-attention. Height and
            width are multiples of it.
    """

    def __init__(self, channels: int, num_heads: int, reduction: int) -> None:
        super().__init__()
        self.reduce = (
            nn.Sequential(nn.Conv2d(channels, channels, reduction, stride=reduction), ChannelNorm(channels))
            if reduction > 1
            else nn.Identity()
        )
        self.attention = CrossAttentionBlock(channels, num_heads, qkv_bias=True, use_flash_attention=True)

    def forward(self, features: Tensor) -> Tensor:
        """Return a map of the same shape (B, H, W, C)."""
        coarse = self.reduce(features.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
        return self.attention(features.flatten(1, 2), coarse).reshape(features.shape)
