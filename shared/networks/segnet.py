"""SegNet: an encoder and a decoder that puts values back to where the encoder's maxima were."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from typing import NamedTuple

from monai.networks.blocks import Convolution
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError

__all__ = ["LevelFeatures", "SegNet", "conv_norm_relu", "decoder_widths", "unpool"]


class LevelFeatures(NamedTuple):
    """Feature maps of one level of the encoder or the decoder.

    Attributes:
        first: the map that attention masks are computed from.
        last: the map that attention masks are applied to.
    """

    first: Tensor
    last: Tensor


class SegNet(nn.Module):
    """SegNet, with the feature maps of all levels as its output.

    Badrinarayanan et al., "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation", TPAMI
    2017, in the form that Liu et al. (CVPR 2019) share among tasks: two convolutions on each of the two finest levels
    and three on the others (VGG-16), each with batch normalisation and ReLU, 2 x 2 maximum pooling, and unpooling to
    the positions of the maxima. The last map has `channels[0]` channels.

    Any size of at least 2 to the power of the number of levels goes: pooling rounds down, unpooling restores the size.

    Args:
        in_channels: of the image.
        channels: widths of the encoder's levels, fine to coarse.
    """

    def __init__(self, in_channels: int = 3, channels: Sequence[int] = (64, 128, 256, 512, 512)) -> None:
        super().__init__()
        if len(channels) < 2:
            raise InputError(f"channels: give the widths of two or more levels, got {list(channels)}.")
        levels = range(len(channels))
        above = decoder_widths(channels)
        self.encoder_first = nn.ModuleList(map(conv_norm_relu, [in_channels, *channels[:-1]], channels))
        self.encoder_rest = nn.ModuleList(starmap(_rest, zip(levels, channels, strict=True)))
        self.decoder_first = nn.ModuleList(map(conv_norm_relu, channels, above))
        self.decoder_rest = nn.ModuleList(starmap(_rest, zip(levels, above, strict=True)))

    def forward(self, image: Tensor) -> tuple[list[LevelFeatures], list[LevelFeatures]]:
        """Return the maps of encoder and decoder for images (B, `in_channels`, H, W), fine to coarse.

        Encoder: `first` and `last` are the maps of the first and the last convolution of a level. Decoder: `first` is
        the unpooled map before the convolutions, with the encoder's width; `last` is the map of the last convolution.
        """
        encoder, positions, features = [], [], image
        for first, rest in zip(self.encoder_first, self.encoder_rest, strict=True):
            first_map = first(features)
            encoder.append(LevelFeatures(first_map, rest(first_map)))
            features, indices = functional.max_pool2d(encoder[-1].last, 2, return_indices=True)
            positions.append(indices)
        decoder = []
        for level in reversed(range(len(encoder))):
            unpooled = unpool(features, positions[level], encoder[level].last)
            features = self.decoder_rest[level](self.decoder_first[level](unpooled))
            decoder.insert(0, LevelFeatures(unpooled, features))
        return encoder, decoder


def decoder_widths(channels: Sequence[int]) -> list[int]:
    """Widths of the decoder's levels, fine to coarse, for those of the encoder."""
    return [channels[0], *channels[:-1]]


def conv_norm_relu(in_channels: int, out_channels: int) -> nn.Module:
    """3 x 3 convolution, batch normalisation, ReLU."""
    return Convolution(2, in_channels, out_channels, adn_ordering="NA", act="relu", norm="batch")


def unpool(pooled: Tensor, positions: Tensor, like: Tensor) -> Tensor:
    """Put pooled values to their positions in a map of zeros: `torch.nn.functional.max_unpool2d` for ONNX as well.

    Args:
        pooled: (B, C, H / 2, W / 2).
        positions: same shape, as `max_pool2d` returns them: row times W plus column.
        like: (B, C, H, W), the map that was pooled.
    """
    zeros = like.new_zeros(like.shape).flatten(2)
    return zeros.scatter(2, positions.flatten(2), pooled.flatten(2).to(zeros.dtype)).view(like.shape)


def _rest(level: int, width: int) -> nn.Sequential:
    """All convolutions of a level but the first."""
    return nn.Sequential(*(conv_norm_relu(width, width) for _ in range(1 if level < 2 else 2)))
