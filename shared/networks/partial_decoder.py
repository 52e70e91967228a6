"""Partial decoder: a coarse mask from the three deepest maps of an encoder, through receptive field blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PartialDecoder", "ReceptiveFieldBlock", "conv_relu_norm", "resized"]

RECEPTIVE_FIELDS = (3, 5, 7)


class ReceptiveFieldBlock(nn.Module):
    """Four branches with growing receptive fields, joined, and a skip connection around them.

    Wu et al., "Cascaded Partial Decoder for Fast and Accurate Salient Object Detection", CVPR 2019, in the form of
    MTANet: each convolution is followed by ReLU and batch normalisation. A branch of size k has a 1 x k and a k x 1
    convolution and a 3 x 3 convolution with dilation k after its 1 x 1 convolution; one branch has the latter alone.

    Args:
        in_channels: of the map.
        channels: of the output.
    """

    def __init__(self, in_channels: int, channels: int = 32) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                conv_relu_norm(in_channels, channels, 1),
                *(_branch(in_channels, channels, size) for size in RECEPTIVE_FIELDS),
            ]
        )
        self.join = conv_relu_norm(channels * len(self.branches), channels)
        self.skip = conv_relu_norm(in_channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, `channels`, H, W) for a map (B, `in_channels`, H, W)."""
        joined = self.join(torch.cat([branch(features) for branch in self.branches], dim=1))
        return torch.relu(joined + self.skip(features))


class PartialDecoder(nn.Module):
    """Coarse mask from three maps, each half the size of the next: products of maps, then concatenation.

    Wu et al., CVPR 2019, as above; every map passes a `ReceptiveFieldBlock` first. Finer maps are multiplied by the
    enlarged coarser ones, so that what the deep maps do not see is left out.

    Args:
        in_channels: of the three maps, fine to coarse.
        channels: of the blocks.
    """

    def __init__(self, in_channels: Sequence[int], channels: int = 32) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ReceptiveFieldBlock(width, channels) for width in in_channels)
        self.coarse_to_middle, self.coarse_to_fine, self.middle_to_fine, self.coarse_joined = (
            conv_relu_norm(channels, channels) for _ in range(4)
        )
        self.middle_joined = conv_relu_norm(2 * channels, 2 * channels)
        self.join_middle = conv_relu_norm(2 * channels, 2 * channels)
        self.join_fine = conv_relu_norm(3 * channels, 3 * channels)
        self.last = conv_relu_norm(3 * channels, 3 * channels)
        self.mask = nn.Conv2d(3 * channels, 1, kernel_size=1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return logits (B, 1, H, W) of the size of the finest of the maps (B, C, H, W), fine to coarse."""
        fine, middle, coarse = (block(part) for block, part in zip(self.blocks, features, strict=True))
        to_middle = _enlarge(coarse, middle)
        middle_product = self.coarse_to_middle(to_middle) * middle
        fine_product = (
            self.coarse_to_fine(_enlarge(to_middle, fine)) * self.middle_to_fine(_enlarge(middle, fine)) * fine
        )
        joined = self.join_middle(torch.cat([middle_product, self.coarse_joined(to_middle)], dim=1))
        joined = self.join_fine(torch.cat([fine_product, self.middle_joined(_enlarge(joined, fine))], dim=1))
        return self.mask(self.last(joined))


def conv_relu_norm(
    in_channels: int, out_channels: int, kernel_size: int | Sequence[int] = 3, dilation: int = 1
) -> nn.Module:
    """Convolution without bias, ReLU, batch normalisation, in this order; the size stays."""
    return Convolution(
        2,
        in_channels,
        out_channels,
        kernel_size=kernel_size,
        dilation=dilation,
        adn_ordering="AN",
        act="relu",
        norm="batch",
        bias=False,
    )


def resized(features: Tensor, like: Tensor) -> Tensor:
    """Bring a map to the height and width of another, bilinearly."""
    return functional.interpolate(features, like.shape[2:], mode="bilinear")


def _enlarge(features: Tensor, like: Tensor) -> Tensor:
    """The same with corners on corners, as inside the published partial decoder."""
    return functional.interpolate(features, like.shape[2:], mode="bilinear", align_corners=True)


def _branch(in_channels: int, channels: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        conv_relu_norm(in_channels, channels, 1),
        conv_relu_norm(channels, channels, (1, size)),
        conv_relu_norm(channels, channels, (size, 1)),
        conv_relu_norm(channels, channels, dilation=size),
    )
