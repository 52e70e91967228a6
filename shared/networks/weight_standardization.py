"""Convolutions whose kernels are standardised: mean 0 and variance 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .modality_concat import ModalityConcatConv

__all__ = [
    "StandardizedConcatConv",
    "StandardizedConv2d",
    "StandardizedConv3d",
    "standardized",
    "with_standardized_weights",
]


class StandardizedConv2d(nn.Conv2d):
    """2D convolution with weight standardisation, padding by zeros.

    Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", arXiv 1903.10520,
    2019, with the variance of the public weights of R50 + ViT-B/16: that of a population, plus 1e-5.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return what `nn.Conv2d` does, with `standardized` weights."""
        weight = standardized(self.weight, correction=0, epsilon=1e-5)
        return functional.conv2d(features, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class StandardizedConv3d(nn.Conv3d):
    """3D convolution with weight standardisation, padding by zeros.

    Qiao et al., 2019, with the variance of ShaSpec's code: that of a sample, plus 1e-12.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return what `nn.Conv3d` does, with `standardized` weights."""
        weight = standardized(self.weight)
        return functional.conv3d(features, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class StandardizedConcatConv(ModalityConcatConv):
    """`ModalityConcatConv` with weight standardisation over the channels of all modalities, without bias.

    Args:
        channels: C of one modality.
        num_modalities: M.
        out_channels: of the output.
    """

    def __init__(self, channels: int, num_modalities: int, out_channels: int) -> None:
        super().__init__(channels, num_modalities, out_channels, bias=False)

    def kernel(self) -> Tensor:
        """Return the standardised weights."""
        return standardized(self.weight)


STANDARDIZED = {nn.Conv2d: StandardizedConv2d, nn.Conv3d: StandardizedConv3d}


def standardized(weight: Tensor, correction: int = 1, epsilon: float = 1e-12) -> Tensor:
    """Give every kernel (C, *spatial) of weights (K, C, *spatial) mean 0 and variance 1, in single precision.

    Args:
        weight: of a convolution.
        correction: 1 for the variance of a sample, 0 for that of a population.
        epsilon: added to the variance.
    """
    kernels = list(range(1, weight.ndim))
    variance, mean = torch.var_mean(weight.float(), dim=kernels, correction=correction, keepdim=True)
    return ((weight - mean) * (variance + epsilon).rsqrt()).to(weight.dtype)


def with_standardized_weights(network: nn.Module) -> nn.Module:
    """Replace every plain 2D or 3D convolution by a `StandardizedConv2d` or `StandardizedConv3d` with its weights.

    Args:
        network: changed in place, and returned. Its convolutions pad by zeros.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) in STANDARDIZED:
                convolution = STANDARDIZED[type(child)](
                    child.in_channels,
                    child.out_channels,
                    child.kernel_size,
                    child.stride,
                    child.padding,
                    child.dilation,
                    child.groups,
                    bias=child.bias is not None,
                )
                convolution.weight, convolution.bias = child.weight, child.bias
                setattr(parent, name, convolution)
    return network
