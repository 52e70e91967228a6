"""EfficientNet as an encoder of five levels."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

from monai.networks.nets import EfficientNetBNFeatures, EfficientNetEncoder
from torch import Tensor, nn

from ..errors import InputError
from .efficientnet_lite import EfficientNetLiteEncoder, drop_classifier

__all__ = ["FrozenStartEfficientNet", "check_encoder", "encoder_errors"]

FROZEN = "imagenet-frozen-start"


class FrozenStartEfficientNet(nn.Module):
    """EfficientNet without its classifier; five maps, at 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture's size.

    MONAI's EfficientNet, or `EfficientNetLiteEncoder`. A frozen start is the stem, the first stage and the first two
    blocks of the second: they get no gradient, and their batch normalisations keep the statistics of ImageNet in
    training too.

    Args:
        name: "efficientnet-b0" to "efficientnet-b7", or "efficientnet-lite0" to "efficientnet-lite2".
        weights: "imagenet": start from ImageNet weights, which MONAI downloads for -b0 to -b7, and which a Python
            package holds for -lite0 to -lite2; "imagenet-frozen-start": the same, and freeze the start; None: random
            weights.
    """

    def __init__(self, name: str, weights: str | None = None) -> None:
        super().__init__()
        self.channels = check_encoder(name, weights)
        with encoder_errors(name):
            self.features = _features(name, pretrained=weights is not None)
        self.frozen_start = weights == FROZEN
        for module in self.frozen():
            module.requires_grad_(False)
        self.train()

    def frozen(self) -> list[nn.Module]:
        """Return the modules that do not train."""
        if not self.frozen_start:
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


def check_encoder(name: str, weights: str | None) -> tuple[int, ...]:
    """Return the channels of the encoder's five maps; raise `InputError` for an unknown name or kind of weights."""
    lite = EfficientNetLiteEncoder
    names = [*EfficientNetEncoder.get_encoder_names()[:8], *lite.get_encoder_names()]
    counts = [*EfficientNetEncoder.num_channels_per_output()[:8], *lite.num_channels_per_output()]
    channels = dict(zip(names, counts, strict=True))
    if name not in channels:
        raise InputError(f"encoder {name!r}: no such one; choose one of {', '.join(channels)}.")
    if weights not in (None, "imagenet", FROZEN):
        raise InputError(f'encoder_weights: must be "imagenet", "{FROZEN}" or None, got {weights!r}; correct it.')
    return channels[name]


@contextlib.contextmanager
def encoder_errors(name: str) -> Iterator[None]:
    """Turn a failed download of ImageNet weights into an `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"encoder_weights: the ImageNet weights of {name} could not be downloaded ({error}); connect to the "
            "internet once, take efficientnet-lite0, whose weights a Python package holds, or set it to None."
        ) from error


def _features(name: str, pretrained: bool) -> nn.Module:
    """Return an EfficientNet without the layers after the last map."""
    if name in EfficientNetLiteEncoder.get_encoder_names():
        return EfficientNetLiteEncoder(name, pretrained)
    network = EfficientNetBNFeatures(name, pretrained=pretrained, norm=("batch", {"eps": 1e-3, "momentum": 0.1}))
    drop_classifier(network)
    return network
