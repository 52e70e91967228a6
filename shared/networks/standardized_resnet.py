"""ResNet with weight standardisation and group normalisation, the convolutions of hybrid vision transformers."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets.resnet import ResNetBottleneck
from torch import Tensor, nn

from .weight_standardization import with_standardized_weights

__all__ = ["StandardizedResNet"]

GROUPS = 32


class StandardizedResNet(nn.Module):
    """First stages of a ResNet of bottlenecks, with weight standardisation and group normalisation.

    The "R50" of R50 + ViT-B/16 (Dosovitskiy et al., 2021): the fourth stage of ResNet-50 is left out, and its blocks
    belong to the third. MONAI's `ResNetBottleneck` with other convolutions. Group normalisation of a shortcut has one
    group per channel, as in the public weights.

    Args:
        in_channels: of the image.
        width: channels of the first convolution, a multiple of 32. The stages have 4, 8, 16 ... times as many.
        layers: bottlenecks of each stage.
    """

    def __init__(self, in_channels: int = 3, width: int = 64, layers: Sequence[int] = (3, 4, 9)) -> None:
        super().__init__()
        if width % GROUPS or width < GROUPS:
            raise ValueError(f"width must be a multiple of {GROUPS}, got {width}.")
        self.root = nn.Sequential(
            nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False),
            nn.GroupNorm(GROUPS, width, eps=1e-6),
            nn.ReLU(inplace=True),
        )
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.channels = [width, *(4 * width * 2**stage for stage in range(len(layers)))]
        self.stages = nn.ModuleList()
        for stage, number in enumerate(layers):
            planes = width * 2**stage
            first = _Bottleneck(self.channels[stage], planes, stride=1 if stage == 0 else 2)
            self.stages.append(nn.Sequential(first, *(_Bottleneck(4 * planes, planes) for _ in range(number - 1))))
        with_standardized_weights(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps of the root and of every stage, fine to coarse: 1/2, 1/4, 1/8 ... of (B, C, H, W)."""
        maps = [self.root(image)]
        features = self.pool(maps[0])
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return maps


class _Bottleneck(ResNetBottleneck):
    def __init__(self, in_channels: int, planes: int, stride: int = 1) -> None:
        out_channels = planes * self.expansion
        shortcut = None
        if stride != 1 or in_channels != out_channels:
            shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.GroupNorm(out_channels, out_channels),
            )
        norm = ("group", {"num_groups": GROUPS, "eps": 1e-6})
        super().__init__(in_channels, planes, spatial_dims=2, stride=stride, downsample=shortcut, norm=norm)
