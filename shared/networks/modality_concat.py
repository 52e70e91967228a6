"""Convolutions over the concatenated feature maps of all modalities that leave the absent ones out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .conv_blocks import ConvNormAct, NormActConv

__all__ = ["ConcatConvNormAct", "ConcatNormActConv", "ModalityConcatConv"]


class ModalityConcatConv(nn.Conv3d):
    """A 1 x 1 x 1 convolution of M x C concatenated channels that multiplies the filled slots only.

    Its parameters are those of the convolution over all M modalities. Channels that are zero add nothing to its sum, so
    leaving them out changes no number.

    Args:
        channels: C of one modality.
        num_modalities: M.
        out_channels: of the output.
        bias: add a learned number per output channel.
    """

    def __init__(self, channels: int, num_modalities: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(num_modalities * channels, out_channels, kernel_size=1, bias=bias)

    def forward(self, packed: Tensor, slots: Tensor) -> Tensor:
        """Return (B, `out_channels`, *spatial).

        Args:
            packed: (B, K, C, *spatial), zero in slots that are not filled.
            slots: integer (B, K), the modality in every slot.
        """
        batch, num_slots, channels = packed.shape[:3]
        by_modality = self.kernel().view(self.out_channels, -1, channels)
        weight = by_modality.index_select(1, slots.flatten()).view(self.out_channels, batch, num_slots * channels)
        features = packed.flatten(3).flatten(1, 2)
        fused = torch.matmul(weight.transpose(0, 1), features)
        bias = self.bias
        if bias is not None:
            fused = fused + bias.to(fused.dtype).view(1, -1, 1)
        return fused.unflatten(2, packed.shape[3:])

    def kernel(self) -> Tensor:
        """Return the weights that are used, (`out_channels`, M x C, 1, 1, 1)."""
        return self.weight


class ConcatConvNormAct(nn.Module):
    """Three blocks over the concatenation of all modalities, 1 x 1 x 1, 3 x 3 x 3 and 1 x 1 x 1 (RFNet).

    Args:
        channels: C of one modality.
        num_modalities: M.
        hidden_channels: of the first two blocks.
        out_channels: of the last.
    """

    def __init__(self, channels: int, num_modalities: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        self.enter = ModalityConcatConv(channels, num_modalities, hidden_channels)
        self.norm = nn.InstanceNorm3d(hidden_channels)
        self.act = nn.LeakyReLU(0.2, inplace=True)
        self.blocks = nn.Sequential(
            ConvNormAct(hidden_channels, hidden_channels), ConvNormAct(hidden_channels, out_channels, kernel_size=1)
        )

    def forward(self, packed: Tensor, slots: Tensor) -> Tensor:
        """Fuse features as `ModalityConcatConv` takes them."""
        return self.blocks(self.act(self.norm(self.enter(packed, slots))))


class ConcatNormActConv(nn.Module):
    """The same three blocks with normalisation and activation first, and zeros as padding (mmFormer).

    Normalised and activated channels of zeros stay zeros, so absent modalities can be left out here, too.

    Args:
        channels: C of one modality, and of the output.
        num_modalities: M.
    """

    def __init__(self, channels: int, num_modalities: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm3d(channels)
        self.act = nn.LeakyReLU(0.2, inplace=True)
        self.enter = ModalityConcatConv(channels, num_modalities, channels)
        self.blocks = nn.Sequential(
            NormActConv(channels, channels, padding_mode="zeros"), NormActConv(channels, channels, kernel_size=1)
        )

    def forward(self, packed: Tensor, slots: Tensor) -> Tensor:
        """Fuse features as `ModalityConcatConv` takes them."""
        active = self.act(self.norm(packed.flatten(0, 1))).unflatten(0, packed.shape[:2])
        return self.blocks(self.enter(active, slots))
