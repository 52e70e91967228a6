"""Swin-Unet: U-Net whose encoder and decoder are Swin transformers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import PatchEmbed
from monai.networks.nets.swin_unetr import BasicLayer, PatchMergingV2
from torch import Tensor, nn

from .patch_expanding import ChannelNorm, PatchExpanding
from .size_rule import check_multiples

__all__ = ["SwinUNet"]

PATCH = 4


class SwinUNet(nn.Module):
    """Swin-Unet: a U-Net of Swin transformer stages, with patch merging and patch expanding in place of convolutions.

    Cao et al., "Swin-Unet: Unet-like Pure Transformer for Medical Image Segmentation", ECCV 2022 workshops: 27.2
    million parameters. The stages are MONAI's `BasicLayer`. The skip connections are the inputs of the encoder's
    stages. Height and width are multiples of 32. A stage pads with zeros where a map is no multiple of the window.

    Args:
        in_channels: of the image.
        out_channels: of the logits.
        embed_dim: channels of the finest map; they double from level to level.
        depths: blocks of the encoder's four stages, fine to coarse. The decoder's stages have as many.
        num_heads: of the attention of each level; the levels' channels are multiples of them.
        window_size: side of a window; of at most this size is a map that is one window.
        drop_path_rate: share of the branches that are left out in training, in the last block of the encoder. It grows
            linearly from 0 in the first one, and is the same on both sides.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 2, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_size: int = 7,
        drop_path_rate: float = 0.2,
    ) -> None:
        super().__init__()
        if len(depths) != 4 or len(num_heads) != 4:
            raise ValueError(f"depths and num_heads must hold four numbers, got {list(depths)} and {list(num_heads)}.")
        self.in_channels = in_channels
        widths = [embed_dim * 2**level for level in range(4)]
        rates = torch.linspace(0, drop_path_rate, sum(depths), device="cpu").split(list(depths))

        def stage(level: int, merges: bool) -> BasicLayer:
            return BasicLayer(
                widths[level],
                depths[level],
                num_heads[level],
                window_size=(window_size, window_size),
                drop_path=rates[level].tolist(),
                qkv_bias=True,
                downsample=PatchMergingV2 if merges else None,
            )

        self.encoder = _Encoder(in_channels, [stage(level, merges=level < 3) for level in range(4)])
        self.expand = nn.ModuleList(PatchExpanding(widths[level], widths[level - 1]) for level in (3, 2, 1))
        self.join = nn.ModuleList(nn.Conv2d(2 * widths[level], widths[level], 1) for level in (2, 1, 0))
        self.decoder = nn.ModuleList(stage(level, merges=False) for level in (2, 1, 0))
        self.mask_head = nn.Sequential(
            ChannelNorm(embed_dim),
            PatchExpanding(embed_dim, embed_dim, PATCH),
            nn.Conv2d(embed_dim, out_channels, 1, bias=False),
        )
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, `out_channels`, H, W) of images (B, `in_channels`, H, W)."""
        check_multiples(image, self.in_channels, 8 * PATCH)
        *skips, features = self.encoder(image)
        for expand, join, stage, skip in zip(self.expand, self.join, self.decoder, skips[::-1], strict=True):
            features = stage(join(torch.cat([expand(features), skip], dim=1)))
        return self.mask_head(features)


class _Encoder(nn.Module):
    """Returns the inputs of the first three stages, fine to coarse, and the normalised output of the last."""

    def __init__(self, in_channels: int, stages: Sequence[BasicLayer]) -> None:
        super().__init__()
        embed_dim = stages[0].blocks[0].dim
        self.embed = PatchEmbed(PATCH, in_channels, embed_dim, spatial_dims=2)
        self.stages = nn.ModuleList(stages)
        self.norm = ChannelNorm(stages[-1].blocks[0].dim)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = [self.embed(image)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return [*maps[:3], self.norm(maps[-1])]


def _initialise(module: nn.Module) -> None:
    """Draw the weights of linear layers and 1 x 1 convolutions from a narrow normal distribution."""
    if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
