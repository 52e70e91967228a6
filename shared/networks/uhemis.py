"""U-HeMIS: hetero-modal U-Net that fuses modalities by mean and variance."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .conv_blocks import kaiming_convolutions, level_widths
from .encoded_modalities import pack
from .hetero_modal_unet import LEVELS, STRIDE, HeteroModalDecoder, HeteroModalEncoder
from .modality_encoders import ModalityEncoders
from .present_modalities import masked, nan_without_modalities

__all__ = ["UHeMIS", "mean_and_variance"]


class UHeMIS(nn.Module):
    """Segment from any non-empty subset of modalities by the mean and the variance of their features on every level.

    The U-Net form that Dorent et al., "Hetero-Modal Variational Encoder-Decoder for Joint Modality Completion and
    Segmentation", MICCAI 2019, give to HeMIS (Havaei et al., MICCAI 2016). Modalities that a sample does not have are
    not computed. Unlike the published code, maps are enlarged with aligned corners, and convolutions have a bias.

    In evaluation `forward` returns logits (B, `out_channels`, *spatial). In training it returns a dictionary: `pred`,
    those logits, and `present` and `available`, boolean (B, M); available is present and kept. A step in which no
    sample keeps a modality does not reach its encoder: several processes need `find_unused_parameters` of `distribute`.

    Args:
        in_channels: modalities M.
        out_channels: classes C.
        features: channels of the first convolution on the finest level, even; they double from level to level.
        dense: compute absent modalities, too, and mask them; see `ModalityEncoders`.
    """

    def __init__(self, in_channels: int = 4, out_channels: int = 4, features: int = 8, dense: bool = False) -> None:
        super().__init__()
        widths = level_widths(features, LEVELS)
        halves = [width // 2 for width in widths]
        self.encoders = ModalityEncoders(
            (HeteroModalEncoder(widths, halves) for _ in range(in_channels)),
            stride=STRIDE,
            encode_all_in_training=False,
            dense=dense,
        )
        self.decoder = HeteroModalDecoder(widths, features, out_channels)
        self.apply(kaiming_convolutions)

    def forward(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Segment images (B, M, H, W, D), every axis a multiple of 8, 16 or more; `keep` as in `ModalityEncoders`."""
        encoded = self.encoders(image, keep)
        logits = self.decoder([mean_and_variance(pack(level, encoded), encoded.filled) for level in encoded.levels])
        if not torch.jit.is_scripting() and self.training:
            return {"pred": logits, "present": encoded.present, "available": encoded.available}
        return nan_without_modalities(logits, encoded.available) if encoded.dense else logits


def mean_and_variance(features: Tensor, available: Tensor) -> Tensor:
    """Concatenate the mean and the (population) variance over modalities, (B, 2 C, *spatial).

    Args:
        features: (B, K, C, *spatial), zero where not available.
        available: boolean (B, K), at least one per sample. With one the variance is zero.
    """
    count = available.sum(dim=1).view([-1] + [1] * (features.ndim - 2))
    mean = features.sum(dim=1) / count
    deviation = masked(features - mean.unsqueeze(1), available)
    return torch.cat([mean, deviation.square().sum(dim=1) / count], dim=1)
