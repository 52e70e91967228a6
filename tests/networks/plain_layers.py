"""Layers from functions and weights by name, to write published networks out in tests."""

import torch
from torch.nn import functional


def normal_act(x, negative_slope=0.2, scale=1.0, shift=0.0):
    """Instance normalisation, a scale and a shift per channel (C, 1, 1, 1), and leaky ReLU."""
    mean, variance = x.mean(dim=(2, 3, 4), keepdim=True), x.var(dim=(2, 3, 4), keepdim=True, unbiased=False)
    x = (x - mean) / (variance + 1e-5).sqrt() * scale + shift
    return torch.where(x > 0, x, negative_slope * x)


def conv(weights, name, x, stride=1, mode="reflect"):
    """Convolution `name` of a state dict, with borders of `mode` that keep the size."""
    weight = weights[f"{name}.weight"]
    border = weight.shape[-1] // 2
    padded = functional.pad(x, [border] * 6, mode=mode) if border else x
    return functional.conv3d(padded, weight, weights[f"{name}.bias"], stride=stride)


def double(x):
    """Twice the size, corners on corners."""
    return functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=True)
