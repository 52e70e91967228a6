"""Encoder of ShaSpec: a 3D ResNet-50 with dilated convolutions and standardised weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from monai.networks.layers.utils import get_act_layer, get_norm_layer
from monai.networks.nets.resnet import ResNetBottleneck
from torch import Tensor, nn

from .weight_standardization import with_standardized_weights

__all__ = ["ACT", "NORM", "ShaSpecEncoder", "instance_norm", "leaky_relu"]

NORM = ("instance", {"affine": True})
ACT = ("leakyrelu", {"negative_slope": 0.01, "inplace": True})
DILATIONS = (2, 4, 8)


class ShaSpecEncoder(nn.Module):
    """ResNet-50 in 3D with narrower last stage, then convolutions of several dilations, all weights standardised.

    Args:
        features: F of the first convolution.
        blocks: bottlenecks of each stage.
        with_skips: return the feature maps of the stem and of three stages as well.
    """

    def __init__(self, features: int, blocks: Sequence[int], with_skips: bool) -> None:
        super().__init__()
        self.with_skips = with_skips
        self.stem = nn.Sequential(
            nn.Conv3d(1, features, kernel_size=7, stride=(2, 2, 1), padding=3, bias=False),
            instance_norm(features),
            leaky_relu(),
        )
        self.pool = nn.MaxPool3d(kernel_size=3, stride=2, padding=1)
        self.stages = nn.ModuleList()
        below = features
        for stage, (width, count) in enumerate(zip((1, 2, 4, 5), blocks, strict=True)):
            self.stages.append(_stage(below, width * features, count, stride=2 if stage else 1))
            below = 4 * width * features
        deepest = 4 * features
        self.reduce = _convolution(below, deepest, kernel_size=1)
        self.branches = nn.ModuleList([_convolution(deepest, deepest, kernel_size=1)])
        self.branches.extend(_convolution(deepest, deepest, kernel_size=3, dilation=rate) for rate in DILATIONS)
        self.merge = _convolution((1 + len(DILATIONS)) * deepest, deepest, kernel_size=1)
        with_standardized_weights(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the deepest features after the feature maps of the skip connections, or after their own mean.

        The deepest features are (n, 4 F, *spatial / strides); the mean is (n, 4 F), in front of the dilations.
        """
        features = self.stem(image)
        levels = [features]
        features = self.pool(features)
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        reduced = self.reduce(features)
        merged = self.merge(torch.cat([branch(reduced) for branch in self.branches], dim=1))
        if not self.with_skips:
            return [reduced.mean(dim=(2, 3, 4)), merged]
        levels[-1] = merged
        return levels


def _stage(below: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    shortcut = nn.Sequential(
        nn.Conv3d(below, 4 * width, kernel_size=1, stride=stride, bias=False), instance_norm(4 * width)
    )
    first = ResNetBottleneck(below, width, stride=stride, downsample=shortcut, act=ACT, norm=NORM)
    return nn.Sequential(first, *(ResNetBottleneck(4 * width, width, act=ACT, norm=NORM) for _ in range(blocks - 1)))


def _convolution(in_channels: int, out_channels: int, kernel_size: int, dilation: int = 1) -> Convolution:
    return Convolution(
        3, in_channels, out_channels, kernel_size=kernel_size, dilation=dilation, bias=False, act=ACT, norm=NORM
    )


def instance_norm(channels: int) -> nn.Module:
    """Return the normalisation of all layers, with weights."""
    return get_norm_layer(NORM, spatial_dims=3, channels=channels)


def leaky_relu() -> nn.Module:
    """Return the activation of all layers."""
    return get_act_layer(ACT)
