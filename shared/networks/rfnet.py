"""RFNet: region-aware fusion network for incomplete sets of MR modalities."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .conv_blocks import ConvNormAct, kaiming_convolutions, level_widths
from .encoded_modalities import EncodedModalities, all_modalities, pack
from .expert_decoder import DecoderLevel, ExpertDecoder
from .present_modalities import nan_without_modalities
from .region_aware_fusion import RegionAwareFusion, RegionMaps
from .residual_encoder import residual_encoders

__all__ = ["RFNet"]

LEVELS = 4


class RFNet(nn.Module):
    """Segment from any non-empty subset of modalities, fused differently in each region of the tumour.

    Ding, Yu and Yang, "RFNet: Region-aware Fusion Network for Incomplete Multi-modal Brain Tumor Segmentation", ICCV
    2021. One encoder per modality, four levels; on every level the probability maps of the classes (`RegionMaps`)
    and the fusion by them (`RegionAwareFusion`) feed a decoder. In training a second decoder, the same for all
    modalities, segments from each modality alone. Modalities that a sample does not have are not computed.

    In evaluation `forward` returns logits (B, `out_channels`, *spatial). In training it returns a dictionary:

    - pred: logits (B, C, *spatial).
    - experts: logits (B, M, C, *spatial) from every modality that is present, kept or not; zero where it is not.
    - deep_supervision: logits of the probability maps of four levels, a list of (B, C, *spatial / stride), strides 1,
      2, 4, 8.
    - present, available: boolean (B, M); available is present and kept.

    Where training data lack modalities, several processes need `find_unused_parameters` of `distribute`.

    `ci/prepare/published_names.py` has the names of the published state dict (dyh127/RFNet) for those here.

    Args:
        in_channels: modalities M.
        out_channels: classes C.
        features: channels of the finest level, even; they double from level to level.
        dense: compute absent modalities, too, and mask them; see `ModalityEncoders`.
    """

    def __init__(self, in_channels: int = 4, out_channels: int = 4, features: int = 16, dense: bool = False) -> None:
        super().__init__()
        widths = level_widths(features, LEVELS)
        self.encoders = residual_encoders(widths, in_channels, encode_all_in_training=True, dense=dense)
        self.deepest = _RegionFusion(widths[-1], in_channels, out_channels, decoder_channels=0)
        self.levels = nn.ModuleList(_FusionLevel(width, in_channels, out_channels) for width in widths[-2::-1])
        self.head = nn.Conv3d(features, out_channels, kernel_size=1)
        self.expert_decoder = ExpertDecoder(widths, out_channels, ConvNormAct)
        self.apply(kaiming_convolutions)

    def forward(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Segment images (B, M, H, W, D), every axis a multiple of 8, 16 or more; `keep` as in `ModalityEncoders`."""
        encoded = self.encoders(image, keep)
        logits, maps, deepest = self._decode(encoded)
        if not torch.jit.is_scripting() and self.training:
            experts = all_modalities(self.expert_decoder(encoded.levels), encoded)
            output = {
                "pred": logits,
                "experts": experts,
                "deep_supervision": maps,
                "present": encoded.present,
                "available": encoded.available,
            }
            return output | self._more_in_training(image, encoded, deepest)
        return nan_without_modalities(logits, encoded.available) if encoded.dense else logits

    def _more_in_training(self, image: Tensor, encoded: EncodedModalities, deepest: Tensor) -> dict[str, Tensor]:
        """Return what a network built on this one adds to the dictionary, from its deepest fused features."""
        return {}

    def _decode(self, encoded: EncodedModalities) -> tuple[Tensor, list[Tensor], Tensor]:
        """Return the fused logits, those of the probability maps, the finest first, and the deepest fused features."""
        deepest, map_logits = self.deepest(pack(encoded.levels[-1], encoded), encoded.slots)
        decoded = deepest
        maps = [map_logits]
        for i, level in enumerate(self.levels):
            decoded, map_logits = level(decoded, pack(encoded.levels[-2 - i], encoded), encoded.slots)
            maps.insert(0, map_logits)
        return self.head(decoded), maps, deepest


class _RegionFusion(nn.Module):
    """Predict the probability maps of a level and fuse by them; no gradient goes through the maps into the fusion."""

    def __init__(self, channels: int, num_modalities: int, num_regions: int, decoder_channels: int) -> None:
        super().__init__()
        self.region_maps = RegionMaps(channels, num_modalities, num_regions, decoder_channels)
        self.fusion = RegionAwareFusion(channels, num_modalities, num_regions)

    def forward(self, packed: Tensor, slots: Tensor, decoded: Tensor | None = None) -> tuple[Tensor, Tensor]:
        logits = self.region_maps(packed, slots, decoded)
        return self.fusion(packed, slots, logits.detach().softmax(dim=1)), logits


class _FusionLevel(DecoderLevel):
    """A level of the decoder whose skip connection is the fusion by regions."""

    def __init__(self, channels: int, num_modalities: int, num_regions: int) -> None:
        super().__init__(channels, ConvNormAct)
        self.skip = _RegionFusion(channels, num_modalities, num_regions, decoder_channels=channels)

    def forward(self, below: Tensor, packed: Tensor, slots: Tensor) -> tuple[Tensor, Tensor]:
        decoded = self.up(below)
        fused, map_logits = self.skip(packed, slots, decoded)
        return self.merge(torch.cat([fused, decoded], dim=1)), map_logits
