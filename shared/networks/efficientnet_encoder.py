"""EfficientNet as an encoder of five levels."""

from __future__ import annotations

import itertools

from monai.networks.nets import EfficientNetBNFeatures, EfficientNetEncoder
from torch import Tensor, nn

from ..errors import InputError

__all__ = ["FrozenStartEfficientNet"]


class FrozenStartEfficientNet(nn.Module):
    """MONAI's EfficientNet without its classifier; five maps, at 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture's size.

    With pretrained weights its start is frozen: the stem, the first stage and the first two blocks of the second get
    no gradient, and their batch normalisations keep the statistics of ImageNet in training too.

    Args:
        name: "efficientnet-b0" to "efficientnet-b7".
        pretrained: start from ImageNet weights, which MONAI downloads.
    """

    def __init__(self, name: str, pretrained: bool = False) -> None:
        super().__init__()
        names = EfficientNetEncoder.get_encoder_names()[:8]
        if name not in names:
            raise InputError(f"encoder {name!r}: no such one; choose one of {', '.join(names)}.")
        self.channels = EfficientNetEncoder.num_channels_per_output()[names.index(name)]
        try:
            self.features = EfficientNetBNFeatures(
                name, pretrained=pretrained, norm=("batch", {"eps": 1e-3, "momentum": 0.1})
            )
        except OSError as error:
            raise InputError(
                f"pretrained: the ImageNet weights of {name} could not be downloaded ({error}); "
                "connect to the internet once, or set pretrained to False."
            ) from error
        for unused in ("_conv_head", "_conv_head_padding", "_bn1", "_avg_pooling", "_dropout", "_fc"):
            delattr(self.features, unused)
        self.pretrained = pretrained
        for module in self.frozen():
            module.requires_grad_(False)
        self.train()

    def frozen(self) -> list[nn.Module]:
        """Return the modules that do not train."""
        if not self.pretrained:
            return []
        first, second = self.features._blocks[:2]
        return [self.features._conv_stem, self.features._bn0, first, *itertools.islice(second, 2)]

    def train(self, mode: bool = True) -> FrozenStartEfficientNet:
        """Change to training mode, all but the frozen start."""
        super().train(mode)
        for module in self.frozen():
            module.eval()
        return self

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps (B, `channels[i]`, H / 2^(i + 1), W / 2^(i + 1)) of images (B, 3, H, W)."""
        return self.features(image)
