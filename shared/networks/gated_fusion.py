"""Gated fusion of RobustSeg: a gate per modality and position."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .encoded_modalities import EncodedModalities, pack
from .modality_concat import ModalityConcatConv

__all__ = ["GatedFusion"]


class GatedFusion(nn.Module):
    """Weigh the feature maps of every modality by a map between 0 and 1, then fuse them to one.

    Section 2.3 of Chen et al., "Robust Multimodal Brain Tumor Segmentation via Feature Disentanglement and Gated
    Fusion", MICCAI 2019: a 3 x 3 x 3 convolution over the concatenation of all modalities gives a map per modality,
    normalised per map as in the published code, then a sigmoid; a 1 x 1 x 1 block fuses what the maps leave.

    Its parameters are those for all M modalities. Channels of absent modalities add nothing and their own maps are not
    needed: both are left out, so that K of M modalities take K^2 of the M^2 parts of the 3 x 3 x 3 convolution.

    Args:
        channels: C of one modality, and of the output.
        num_modalities: M.
    """

    def __init__(self, channels: int, num_modalities: int) -> None:
        super().__init__()
        self.maps = nn.Conv3d(num_modalities * channels, num_modalities, kernel_size=3)
        self.norm = nn.InstanceNorm3d(num_modalities, affine=True)
        self.fuse = ModalityConcatConv(channels, num_modalities, channels)
        self.fused_norm = nn.InstanceNorm3d(channels)
        self.act = nn.LeakyReLU(0.2, inplace=True)

    def forward(self, encoded: EncodedModalities, level: int) -> Tensor:
        """Return (B, C, *spatial) of one level, whose axes have 2 voxels or more."""
        packed, slots = pack(encoded.levels[level], encoded), encoded.slots
        padded = functional.pad(packed.flatten(1, 2), [1] * 6, mode="reflect")
        in_order = encoded.dense or (encoded.all_filled and slots.shape[1] == self.norm.num_features)
        logits = self.norm(self.maps(padded)) if in_order else self._of_slots(padded, slots)
        gated = packed * logits.sigmoid().unsqueeze(2)
        return self.act(self.fused_norm(self.fuse(gated, slots)))

    def _of_slots(self, padded: Tensor, slots: Tensor) -> Tensor:
        """Return `norm(maps(padded))` (B, K, *spatial), each sample with the weights of the modalities in its slots."""
        batch, num_slots = slots.shape
        modalities, scale, shift, bias = self.norm.num_features, self.norm.weight, self.norm.bias, self.maps.bias
        assert bias is not None  # for TorchScript
        rows = slots.flatten()
        by_modality = self.maps.weight.unflatten(1, [modalities, -1])  # (maps, modalities, C, 3, 3, 3)
        to_maps = by_modality.index_select(0, rows).unflatten(0, [batch, num_slots])
        weights = [to_maps[sample].index_select(1, slots[sample]).flatten(1, 2) for sample in range(batch)]
        stacked = padded.flatten(0, 1).unsqueeze(0)  # samples as groups of channels
        maps = functional.conv3d(stacked, torch.cat(weights), bias.index_select(0, rows), groups=batch)
        maps = functional.instance_norm(maps, weight=scale.index_select(0, rows), bias=shift.index_select(0, rows))
        return maps.squeeze(0).unflatten(0, [batch, num_slots])
