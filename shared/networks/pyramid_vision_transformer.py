"""Pyramid vision transformer (PVT v2): an encoder with feature maps at four scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from monai.networks.layers import DropPath
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError
from .reduced_attention import ReducedAttention

__all__ = ["PyramidVisionTransformer"]


class _Size(NamedTuple):
    widths: Sequence[int]
    depths: Sequence[int]


SIZES = {
    "pvt-v2-b0": _Size((32, 64, 160, 256), (2, 2, 2, 2)),
    "pvt-v2-b1": _Size((64, 128, 320, 512), (2, 2, 2, 2)),
    "pvt-v2-b2": _Size((64, 128, 320, 512), (3, 4, 6, 3)),
}
HEADS = (1, 2, 5, 8)
MLP_RATIOS = (8, 8, 4, 4)
REDUCTIONS = (8, 4, 2, 1)  # keys and values are read from a map that is smaller by this factor


class PyramidVisionTransformer(nn.Module):
    """PVT v2, with overlapping patches, spatial-reduction attention and a depth-wise convolution in each MLP.

    Wang et al., "PVT v2: Improved Baselines with Pyramid Vision Transformer", Computational Visual Media 2022; Table 1
    there. Without the classifier: 3.4 (b0), 13.5 (b1) and 24.9 million parameters (b2). Sizes are multiples of 32.

    Args:
        size: "pvt-v2-b0", "pvt-v2-b1" or "pvt-v2-b2".
        in_channels: of the image.
        drop_path_rate: chance of leaving out the deepest block in training; it grows from 0 at the first block.
    """

    def __init__(self, size: str = "pvt-v2-b2", in_channels: int = 3, drop_path_rate: float = 0.1) -> None:
        super().__init__()
        if size not in SIZES:
            raise InputError(f"encoder: expected one of {', '.join(SIZES)}, got {size!r}.")
        self.widths, depths = SIZES[size]
        rates = [drop_path_rate * block / (sum(depths) - 1) for block in range(sum(depths))]
        inputs = [in_channels, *self.widths[:-1]]
        self.stages = nn.ModuleList(
            _Stage(inputs[i], self.widths[i], i, [rates.pop(0) for _ in range(depths[i])]) for i in range(len(depths))
        )
        self.apply(_initialise)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps of images (B, `in_channels`, H, W), smaller by 4, 8, 16 and 32."""
        maps, features = [], image
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return maps


class _Stage(nn.Module):
    """Overlapping patches and the blocks of one scale; a channels-first map to a smaller one."""

    def __init__(self, in_channels: int, width: int, scale: int, rates: Sequence[float]) -> None:
        super().__init__()
        kernel, stride = (7, 4) if scale == 0 else (3, 2)
        self.patches = nn.Conv2d(in_channels, width, kernel, stride, padding=kernel // 2)
        self.patch_norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(_Block(width, scale, rate) for rate in rates)
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, features: Tensor) -> Tensor:
        features = self.patch_norm(self.patches(features).permute(0, 2, 3, 1))
        for block in self.blocks:
            features = block(features)
        return self.norm(features).permute(0, 3, 1, 2).contiguous()


class _Block(nn.Module):
    """Attention and MLP, each after a layer normalisation, with skips; maps are (B, H, W, C)."""

    def __init__(self, width: int, scale: int, drop_path: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=1e-6)
        self.attention = ReducedAttention(width, HEADS[scale], REDUCTIONS[scale])
        self.mlp_norm = nn.LayerNorm(width, eps=1e-6)
        hidden = MLP_RATIOS[scale] * width
        self.expand, self.contract = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.depthwise = nn.Conv2d(hidden, hidden, kernel_size=3, padding=1, groups=hidden)
        self.drop_path = DropPath(drop_path)

    def forward(self, features: Tensor) -> Tensor:
        features = features + self.drop_path(self.attention(self.attention_norm(features)))
        hidden = self.expand(self.mlp_norm(features)).permute(0, 3, 1, 2)
        hidden = functional.gelu(self.depthwise(hidden)).permute(0, 2, 3, 1)
        return features + self.drop_path(self.contract(hidden))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        nn.init.zeros_(module.bias)
