"""Convolution, normalisation and activation, in the two orders that networks for missing modalities use."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ..errors import InputError

__all__ = ["ConvNormAct", "NormActConv", "check_width", "kaiming_convolutions", "upsample"]


class ConvNormAct(nn.Sequential):
    """3D convolution, instance normalisation without weights, leaky ReLU (RFNet).

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: odd; the output keeps the input's size (divided by the stride, rounded up).
        stride: of the convolution.
        padding_mode: of the convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, padding_mode: str = "reflect"
    ) -> None:
        convolution = _convolution(in_channels, out_channels, kernel_size, stride, padding_mode)
        super().__init__(OrderedDict(conv=convolution, norm=nn.InstanceNorm3d(out_channels), act=_leaky(0.2)))


class NormActConv(nn.Sequential):
    """Instance normalisation, leaky ReLU, 3D convolution (mmFormer, U-HeMIS, U-HVED).

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: odd; the output keeps the input's size (divided by the stride, rounded up).
        stride: of the convolution.
        padding_mode: of the convolution.
        negative_slope: of the leaky ReLU.
        affine: the normalisation learns a scale and a shift per channel (U-HeMIS, U-HVED).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding_mode: str = "reflect",
        negative_slope: float = 0.2,
        affine: bool = False,
    ) -> None:
        norm = nn.InstanceNorm3d(in_channels, affine=affine)
        convolution = _convolution(in_channels, out_channels, kernel_size, stride, padding_mode)
        super().__init__(OrderedDict(norm=norm, act=_leaky(negative_slope), conv=convolution))


def upsample() -> nn.Upsample:
    """Trilinear, to twice the size, corners on corners."""
    return nn.Upsample(scale_factor=2, mode="trilinear", align_corners=True)


def kaiming_convolutions(module: nn.Module) -> None:
    """Give a convolution He's normal weights, as all four networks start; for `Module.apply`."""
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight)


def check_width(features: int) -> None:
    """Refuse a number of channels that cannot be halved."""
    if features < 2 or features % 2:
        raise InputError(f"features must be even, 2 or more, got {features}; choose another number.")


def _convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int, padding_mode: str) -> nn.Conv3d:
    padding = kernel_size // 2
    padding_mode = padding_mode if padding else "zeros"  # padding by nothing would still copy, and keep, the input
    return nn.Conv3d(in_channels, out_channels, kernel_size, stride, padding, padding_mode=padding_mode)


def _leaky(negative_slope: float) -> nn.LeakyReLU:
    return nn.LeakyReLU(negative_slope, inplace=True)  # on the normalised copy, which nothing else reads
