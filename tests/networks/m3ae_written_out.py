"""A small M3AE as if trained, images for it, and its layers written out."""

import torch
from torch.nn import functional

from shared.networks import M3AE


def image(batch=1, size=(16, 24, 16)):
    return torch.randn(batch, 4, *size, generator=torch.Generator().manual_seed(1))


def small_m3ae(**options):
    """A small network whose learned image has learned something."""
    torch.manual_seed(0)
    network = M3AE(**{"features": 8, "extent_mm": (20.0, 30.0, 10.0), "spacing_mm": (2.0, 2.0, 2.0), **options})
    torch.nn.init.normal_(network.learned_image.values)
    for module in network.modules():
        if isinstance(module, torch.nn.GroupNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    return network


def block(weights, name, x):
    """Twice group normalisation in eight groups, ReLU and a convolution; and the input added."""
    hidden = x
    for part in "12":
        norm = functional.group_norm(
            hidden, 8, weights[f"{name}.norm{part}.weight"], weights[f"{name}.norm{part}.bias"]
        )
        hidden = functional.conv3d(norm.relu(), weights[f"{name}.conv{part}.conv.weight"], padding=1)
    return x + hidden


def convolution(weights, name, x, stride=1):
    weight = weights[f"{name}.weight"]
    return functional.conv3d(x, weight, weights[f"{name}.bias"], stride=stride, padding=weight.shape[-1] // 2)


def decoded(weights, x):
    """Feature maps of the decoder at strides 4, 2 and 1."""
    skips, levels = [], []
    for level, blocks in enumerate((1, 2, 2, 4)):
        x = convolution(weights, f"encoder.{level}.0", x, stride=2 if level else 1)
        for number in range(blocks):
            x = block(weights, f"encoder.{level}.{number + 1}", x)
        skips.append(x)
    for i in range(3):
        x = convolution(weights, f"decoder.{i}.narrow", x)
        for axis in (2, 3, 4):
            x = x.repeat_interleave(2, dim=axis)
        x = block(weights, f"decoder.{i}.block", x + skips[2 - i])
        levels.append(x)
    return levels
