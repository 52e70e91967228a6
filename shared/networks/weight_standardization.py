"""Convolutions whose kernels are standardised: mean 0 and variance 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .modality_concat import ModalityConcatConv

__all__ = ["StandardizedConcatConv", "StandardizedConv3d", "standardized", "with_standardized_weights"]


class StandardizedConv3d(nn.Conv3d):
    """3D convolution with weight standardisation, padding by zeros.

    Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", arXiv 1903.10520,
    2019.
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


def standardized(weight: Tensor) -> Tensor:
    """Give every kernel (C, H, W, D) of weights (K, C, H, W, D) mean 0 and variance 1, in single precision."""
    variance, mean = torch.var_mean(weight.float(), dim=(1, 2, 3, 4), keepdim=True)
    return ((weight - mean) * (variance + 1e-12).rsqrt()).to(weight.dtype)


def with_standardized_weights(network: nn.Module) -> nn.Module:
    """Replace every plain 3D convolution by a `StandardizedConv3d` with the same weights.

    Args:
        network: changed in place, and returned. Its convolutions pad by zeros.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Conv3d:
                convolution = StandardizedConv3d(
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
