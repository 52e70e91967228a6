"""M3AE: U-Net on stacked modalities in which a learned image replaces the absent ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from monai.data import MetaTensor
from monai.networks.blocks.segresnet_block import ResBlock
from torch import Tensor, nn

from .conv_blocks import level_widths, upsample
from .learned_image import LearnedImage, position_in_brain
from .modality_encoders import check_image
from .present_modalities import available_modalities, is_tracing_or_exporting, nan_without_modalities

__all__ = ["M3AE"]

BLOCKS = (1, 2, 2, 4)  # on the levels of the encoder
STRIDE = 8
GROUPS = 8  # of the normalisations


class M3AE(nn.Module):
    """Segment from any non-empty subset of modalities, the absent ones replaced by an image learned before.

    Liu et al., "M3AE: Multimodal Representation Learning for Brain Tumor Segmentation with Missing Modalities", AAAI
    2023. `MaskedModalities` pre-trains the network and the learned image, which then stays as it is. In training every
    image is seen twice, with two subsets of its modalities, and `ViewConsistencyLoss` draws their coarsest logits
    together. Absent modalities are computed all the same: they are channels of the first convolution.

    Unlike the published code:

    - The published code learns an image on the grid of an atlas, and finds the position of a crop in it by the crop's
      indices. Here the image is a box around the brain's centre, on any grid. The position of a crop is read from its
      affine (`position_in_brain`, in training) or given (`shared.inferers.PositionedWindowInferer`); a plain tensor is
      taken for the middle of the brain.
    - Classes exclude one another. In the published code they are three sigmoids.
    - Convolutions have no bias, but for the first ones of levels and the last ones.
    - The learned image starts at 0. In the published code it starts as noise.

    In evaluation `forward` returns logits (B, `out_channels`, *spatial). In training it returns a dictionary:

    - pred: logits (B, C, *spatial) of the modalities that are kept.
    - deep_supervision: logits of the second subset at full size, then of both at strides 2 and 4, (B, C, *spatial /
      stride), a list of five.
    - views: logits (B, 2, C, *spatial / 4) of both subsets.
    - present, available: boolean (B, M); available is present and kept.

    Args:
        in_channels: modalities M.
        out_channels: classes C.
        features: channels of the finest level, even; they double from level to level.
        extent_mm: edges of the learned image's box.
        spacing_mm: edges of its voxels, best those of the images.
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        features: int = 16,
        extent_mm: Sequence[float] = (240.0, 240.0, 155.0),
        spacing_mm: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        widths = level_widths(features, len(BLOCKS))
        self.num_modalities = in_channels
        self.features = features
        self.learned_image = LearnedImage(in_channels, extent_mm, spacing_mm)
        self.encoder = nn.ModuleList()
        for below, width, blocks in zip([in_channels, *widths], widths, BLOCKS, strict=False):
            enter = nn.Conv3d(below, width, kernel_size=3, stride=1 if width == features else 2, padding=1)
            self.encoder.append(nn.Sequential(enter, *(_block(width) for _ in range(blocks))))
        self.decoder = nn.ModuleList(_UpLevel(width) for width in widths[-2::-1])
        self.coarse_heads = nn.ModuleList(nn.Conv3d(width, out_channels, kernel_size=1) for width in widths[2:0:-1])
        self.head = nn.Conv3d(features, out_channels, kernel_size=1)

    def forward(self, image: Tensor, keep: Tensor | None = None, position: Tensor | None = None) -> Tensor:
        """Segment images; see the class for what is returned.

        Args:
            image: (B, M, H, W, D), every axis a multiple of 8, 16 or more; a modality with any NaN is absent.
            keep: boolean (B, M); modalities where it is False are not used. Without it all that are there are used.
            position: (B, 3, 4), where the image is in the brain, see `LearnedImage`. Without it that of the image's
                affine, or the middle.

        Raises:
            ValueError: another shape, or a sample without any modality (traced and exported: NaN).
        """
        fixed = False
        if not torch.jit.is_scripting():
            check_image(image, self.num_modalities, STRIDE)
            fixed = is_tracing_or_exporting()
        present, available = available_modalities(image, keep)
        learned = self.learned(image, position)
        if not torch.jit.is_scripting() and self.training:
            return self._two_views(image, learned, present, available)
        logits = self.head(self.decode(_filled(image, learned, available))[2])
        return nan_without_modalities(logits, available) if fixed else logits

    def learned(self, image: Tensor, position: Tensor | None = None) -> Tensor:
        """Return the learned image where an image is, (B, M, *spatial)."""
        if position is None and not torch.jit.is_scripting():
            position = position_in_brain(image) if isinstance(image, MetaTensor) else None
        size = image.shape[2:]
        if position is None:
            position = self.learned_image.in_the_middle(image.shape[0], size)
        return self.learned_image(position, size).to(image.dtype)

    def decode(self, image: Tensor) -> list[Tensor]:
        """Return the feature maps of the decoder, strides 4, 2 and 1, of an image (B, M, *spatial) without NaN."""
        levels: list[Tensor] = []
        for level in self.encoder:
            image = level(image)
            levels.append(image)
        decoded: list[Tensor] = []
        below = levels[3]
        for i, level in enumerate(self.decoder):
            below = level(below, levels[2 - i])
            decoded.append(below)
        return decoded

    def _two_views(self, image: Tensor, learned: Tensor, present: Tensor, available: Tensor) -> dict[str, Tensor]:
        """Return the dictionary of `forward`; the second subset is any of the modalities that are present."""
        views = [_filled(image, learned, chosen) for chosen in (available, _any_subset(present))]
        coarse, middle, fine = self.decode(torch.cat(views))
        first, second = self.head(fine).chunk(2)
        of_coarse, of_middle = self.coarse_heads[0](coarse).chunk(2), self.coarse_heads[1](middle).chunk(2)
        return {
            "pred": first,
            "deep_supervision": [second, *of_middle, *of_coarse],
            "views": torch.stack(of_coarse, dim=1),
            "present": present,
            "available": available,
        }


class _UpLevel(nn.Module):
    """Half the channels, twice the size, the encoder's features added, one block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = nn.Conv3d(2 * channels, channels, kernel_size=1)
        self.up = upsample("nearest")
        self.block = _block(channels)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        return self.block(self.up(self.narrow(below)) + skip)


def _block(channels: int) -> ResBlock:
    return ResBlock(3, channels, norm=("group", {"num_groups": math.gcd(GROUPS, channels)}))


def _filled(image: Tensor, learned: Tensor, available: Tensor) -> Tensor:
    """Replace the modalities that are not available by the learned image."""
    return torch.where(available.view(list(available.shape) + [1] * (image.ndim - 2)), image, learned)


def _any_subset(present: Tensor) -> Tensor:
    """Draw a non-empty subset of the modalities that are present, all equally likely, boolean (B, M)."""
    number = torch.rand(len(present), 1, device=present.device) * (2 ** present.sum(dim=1, keepdim=True) - 1)
    digits = (present.cumsum(dim=1) - 1).clamp(min=0)
    return present & ((number.long() + 1) >> digits & 1).bool()
