"""RobustSeg: disentangled content and style of modalities, with gated fusion of the contents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .conv_blocks import ConvNormAct, kaiming_convolutions, level_widths
from .disentangling import DisentanglingBranches
from .expert_decoder import ExpertDecoder
from .gated_fusion import GatedFusion
from .present_modalities import nan_without_modalities
from .residual_encoder import residual_encoders

__all__ = ["RobustSeg"]

LEVELS = 4


class RobustSeg(nn.Module):
    """Segment from any non-empty subset of modalities by gated contents, and reconstruct the modalities in training.

    Chen et al., "Robust Multimodal Brain Tumor Segmentation via Feature Disentanglement and Gated Fusion", MICCAI 2019.
    One content encoder per modality, four levels; `GatedFusion` on every level; a decoder. In training only, a style
    encoder per modality gives a few numbers, and an image decoder per modality restores its image from the deepest
    fused content and that style. Modalities that a sample does not have are not computed.

    Unlike the published code:

    - Normalisations of features have no weights; those of the gates have.
    - Every image decoder has a last convolution of its own. In the published code all share one.
    - The style's Gaussian gives its mean as shift and its deviation as scale of the normalisations. In the published
      code it is the other way round.
    - Convolutions start with He's weights, and those of the style encoders have no bias.

    In evaluation `forward` returns logits (B, `out_channels`, *spatial). In training it returns a dictionary:

    - pred: logits (B, C, *spatial).
    - images, style_mean, style_log_variance: of every modality that is present, kept or not; see
      `DisentanglingBranches`.
    - present, available: boolean (B, M); available is present and kept.

    A step in which no sample keeps a modality does not reach its content encoder: several processes need
    `find_unused_parameters` of `distribute`.

    Args:
        in_channels: modalities M.
        out_channels: classes C.
        features: channels of the finest level, even; they double from level to level.
        style_values: numbers of the style of a modality.
        dense: compute absent modalities, too, and mask them; see `ModalityEncoders`.
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        features: int = 16,
        style_values: int = 8,
        dense: bool = False,
    ) -> None:
        super().__init__()
        widths = level_widths(features, LEVELS)
        self.encoders = residual_encoders(widths, in_channels, encode_all_in_training=False, dense=dense)
        self.fusions = nn.ModuleList(GatedFusion(width, in_channels) for width in widths)
        self.decoder = ExpertDecoder(widths, out_channels, ConvNormAct, upsampling="nearest")
        self.apply(kaiming_convolutions)
        self.branches = DisentanglingBranches(["images"], in_channels, features, style_values, upsampling="nearest")

    def forward(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Segment images (B, M, H, W, D), every axis a multiple of 8, 16 or more; `keep` as in `ModalityEncoders`."""
        encoded = self.encoders(image, keep)
        fused: list[Tensor] = []
        for level, fusion in enumerate(self.fusions):
            fused.append(fusion(encoded, level))
        logits = self.decoder(fused)
        if not torch.jit.is_scripting() and self.training:
            output = {"pred": logits, "present": encoded.present, "available": encoded.available}
            return output | self.branches(image, encoded, fused[-1])
        return nan_without_modalities(logits, encoded.available) if encoded.dense else logits
