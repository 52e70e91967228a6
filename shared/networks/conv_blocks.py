"""Convolution, normalisation and activation, in the two orders that networks for missing modalities use."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError
from .norm_act_pad import can_norm_act_pad, norm_act_pad

__all__ = ["ConvNormAct", "NormActConv", "check_width", "kaiming_convolutions", "level_widths", "upsample"]

SLOPE = 0.2  # of the leaky ReLU


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
        super().__init__(OrderedDict(conv=convolution, norm=nn.InstanceNorm3d(out_channels), act=_leaky(SLOPE)))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, out_channels, *spatial / stride)."""
        if not torch.jit.is_scripting():
            return self._in_its_layout(features)
        return self.act(self.norm(self.conv(features)))

    def _in_its_layout(self, features: Tensor) -> Tensor:
        """Return the same, in fewer passes over channels-last maps on a CPU."""
        pointwise = _is_pointwise(self.conv) and can_norm_act_pad(features)
        features = _pointwise(features, self.conv) if pointwise else self.conv(features)
        if can_norm_act_pad(features):
            return norm_act_pad(features, SLOPE, self.norm.eps, padding=0)
        return self.act(self.norm(features))


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
        negative_slope: float = SLOPE,
        affine: bool = False,
    ) -> None:
        norm = nn.InstanceNorm3d(in_channels, affine=affine)
        convolution = _convolution(in_channels, out_channels, kernel_size, stride, padding_mode)
        super().__init__(OrderedDict(norm=norm, act=_leaky(negative_slope), conv=convolution))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, out_channels, *spatial / stride)."""
        if not torch.jit.is_scripting():
            return self._in_its_layout(features)
        return self.conv(self.act(self.norm(features)))

    def _in_its_layout(self, features: Tensor) -> Tensor:
        """Return the same, in fewer passes over channels-last maps on a CPU."""
        if self.norm.affine or not can_norm_act_pad(features):
            return self.conv(self.act(self.norm(features)))
        padding = self.conv.padding[0] if self.conv.padding_mode == "reflect" else 0
        active = norm_act_pad(features, self.act.negative_slope, self.norm.eps, padding)
        if padding:
            return functional.conv3d(active, self.conv.weight, self.conv.bias, self.conv.stride)
        return _pointwise(active, self.conv) if _is_pointwise(self.conv) else self.conv(active)


def upsample(mode: str = "trilinear") -> nn.Upsample:
    """To twice the size: "trilinear" with aligned corners, or "nearest" neighbour."""
    return nn.Upsample(scale_factor=2, mode=mode, align_corners=True if mode == "trilinear" else None)


def kaiming_convolutions(module: nn.Module) -> None:
    """Give a convolution He's normal weights; for `Module.apply`."""
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight)


def level_widths(features: int, levels: int) -> list[int]:
    """Return the channels of levels that double from one to the next, `features` those of the finest, even."""
    check_width(features)
    return [features * 2**level for level in range(levels)]


def check_width(features: int) -> None:
    """Refuse a number of channels that cannot be halved."""
    if features < 2 or features % 2:
        raise InputError(f"features must be even, 2 or more, got {features}; choose another number.")


def _convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int, padding_mode: str) -> nn.Conv3d:
    padding = kernel_size // 2
    padding_mode = padding_mode if padding else "zeros"  # padding by nothing would still copy, and keep, the input
    return nn.Conv3d(in_channels, out_channels, kernel_size, stride, padding, padding_mode=padding_mode)


def _is_pointwise(convolution: nn.Conv3d) -> bool:
    return convolution.kernel_size == (1, 1, 1) and convolution.stride == (1, 1, 1)


def _pointwise(features: Tensor, convolution: nn.Conv3d) -> Tensor:
    """Convolve a channels-last map by 1 x 1 x 1; with one thread PyTorch's own returns a contiguous map."""
    rows = functional.linear(features.permute(0, 2, 3, 4, 1), convolution.weight.flatten(1), convolution.bias)
    return rows.permute(0, 4, 1, 2, 3)


def _leaky(negative_slope: float) -> nn.LeakyReLU:
    return nn.LeakyReLU(negative_slope, inplace=True)  # on the normalised copy, which nothing else reads
