"""U-Net with a class head on its encoder, for pictures of any size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from torch import Tensor, nn

from .append_class_logits import append_class_logits

__all__ = ["GlandUNet"]


class GlandUNet(nn.Module):
    """Encoder-decoder with skip connections that segments a picture and classifies it.

    Fig. 1 of BenTaieb and Hamarneh, "Uncertainty Driven Multi-Loss Fully Convolutional Networks for Histopathology"
    (2017), built from 3 x 3 convolution - ReLU - batch normalisation, in this order. Pooling rounds sizes up, and the
    decoder crops what it upsampled to the skip connection: 250, 125, 63, 32, 16, then 32, 64 -> 63, 126 -> 125, 250.
    Hence any size goes, and the output has the input's. The paper gives neither the widths nor the number of
    convolutions per level (two here); this default has 7.9 million parameters.

    The class is read from the mean of the last encoder convolution's activations over the picture, after the ReLU and
    before the batch normalisation. Behind it the mean over a batch is a constant in training: from a batch of one
    picture the classifier would learn nothing.

    In training `forward` returns a dictionary, `pred` (B, `out_channels`, H, W), the logits f_s of every label, and
    `class_logits` f_c (B, `num_classes`); in evaluation one tensor (B, `out_channels` + `num_classes`, H, W), with the
    class logits constant over space after the labels.

    Args:
        in_channels: of the picture.
        out_channels: labels L.
        num_classes: K.
        features: widths of the levels, two or more; their number sets how often the picture is halved.
        upsample: "nearest" or "bilinear".
        normalize_input: bring each colour to mean 0 and variance 1 before the first convolution, by a batch
            normalisation without weights: in evaluation with the running mean and variance of the training.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        num_classes: int = 2,
        features: Sequence[int] = (32, 64, 128, 256, 512),
        upsample: str = "nearest",
        normalize_input: bool = False,
    ) -> None:
        super().__init__()
        if len(features) < 2:
            raise ValueError(f"features must hold the widths of two or more levels, got {list(features)}.")
        if upsample not in ("nearest", "bilinear"):
            raise ValueError(f"upsample must be 'nearest' or 'bilinear', got {upsample!r}.")
        *widths, deepest = features
        self.input_norm = nn.BatchNorm2d(in_channels, affine=False) if normalize_input else nn.Identity()
        self.encoder = nn.ModuleList(map(_two_convolutions, [in_channels, *widths[:-1]], widths))
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.deepest = nn.Sequential(_convolution(widths[-1], deepest), _convolution(deepest, deepest, norm=None))
        self.deepest_norm = nn.BatchNorm2d(deepest)
        self.class_head = nn.Linear(deepest, num_classes)
        self.upsample = nn.Upsample(scale_factor=2, mode=upsample)
        below = [deepest, *widths[:0:-1]]
        self.decoder = nn.ModuleList(
            _two_convolutions(from_below + skip, skip) for from_below, skip in zip(below, widths[::-1], strict=True)
        )
        self.label_head = nn.Conv2d(widths[0], out_channels, kernel_size=1)
        self.apply(_kaiming)
        for head in (self.class_head, self.label_head):  # no ReLU follows
            nn.init.kaiming_normal_(head.weight, nonlinearity="linear")

    def forward(self, image: Tensor) -> Tensor:
        """Segment and classify pictures (B, `in_channels`, H, W); see the class for what is returned."""
        features = self.input_norm(image)
        skips: list[Tensor] = []
        for level in self.encoder:
            features = level(features)
            skips.append(features)
            features = self.pool(features)
        features = self.deepest(features)
        class_logits = self.class_head(features.mean(dim=(2, 3)))
        features = self.deepest_norm(features)
        for level in self.decoder:
            skip = skips.pop()
            features = self.upsample(features)[:, :, : skip.shape[2], : skip.shape[3]]
            features = level(torch.cat([skip, features], dim=1))
        logits = self.label_head(features)
        if not torch.jit.is_scripting() and self.training:
            return {"pred": logits, "class_logits": class_logits}
        return append_class_logits(logits, class_logits)


def _convolution(in_channels: int, out_channels: int, norm: str | None = "batch") -> nn.Module:
    """Convolution - ReLU - batch normalisation."""
    return Convolution(2, in_channels, out_channels, adn_ordering="AN", act="relu", norm=norm)


def _two_convolutions(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(_convolution(in_channels, out_channels), _convolution(out_channels, out_channels))


def _kaiming(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)
