"""U-HVED: hetero-modal variational encoder-decoder that fuses modalities by a product of Gaussians."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .conv_blocks import kaiming_convolutions, level_widths
from .encoded_modalities import all_modalities, pack
from .hetero_modal_unet import LEVELS, STRIDE, HeteroModalDecoder, HeteroModalEncoder
from .modality_encoders import ModalityEncoders
from .present_modalities import masked, nan_without_modalities

__all__ = ["UHVED", "product_from_precisions", "product_of_gaussians"]


class UHVED(nn.Module):
    """Segment from any non-empty subset of modalities through latent maps, and complete the modalities in training.

    Dorent et al., "Hetero-Modal Variational Encoder-Decoder for Joint Modality Completion and Segmentation", MICCAI
    2019. Every modality gives a Gaussian at every position of four levels. Those of the available modalities and the
    prior N(0, 1) are multiplied. A sample from the product is decoded, to the segmentation and, in training only, to
    every modality. Modalities that a sample does not have are not computed.

    Unlike the published code:

    - Evaluation decodes the mean. The published code draws a sample there as well, so that every call gives another
      segmentation.
    - Maps are enlarged with aligned corners, and convolutions have a bias.
    - A variance is at least 1e-7. The published code adds this number to each variance that it divides by.

    In evaluation `forward` returns logits (B, `out_channels`, *spatial). In training it returns a dictionary:

    - pred: logits (B, C, *spatial).
    - images: (B, M, *spatial), all modalities as reconstructed from the available ones.
    - means, log_variances: of every modality that is present, kept or not, zero where it is not; lists over four
      levels, strides 1, 2, 4, 8, of (B, M, L, *spatial / stride). `product_of_gaussians` joins them, for any subset.
    - present, available: boolean (B, M); available is present and kept.

    Where training data lack modalities, several processes need `find_unused_parameters` of `distribute`.

    Args:
        in_channels: modalities M.
        out_channels: classes C.
        features: channels of the finest level, even; they double from level to level. Half of them are latent maps L.
        dense: compute absent modalities, too, and mask them; see `ModalityEncoders`.
    """

    def __init__(self, in_channels: int = 4, out_channels: int = 4, features: int = 8, dense: bool = False) -> None:
        super().__init__()
        widths = level_widths(features, LEVELS)
        latent = [width // 2 for width in widths]
        self.encoders = ModalityEncoders(
            (HeteroModalEncoder(widths, widths) for _ in range(in_channels)), stride=STRIDE, dense=dense
        )
        self.decoder = HeteroModalDecoder(latent, features, out_channels)
        self.image_decoders = nn.ModuleList(HeteroModalDecoder(latent, features, 1) for _ in range(in_channels))
        self.apply(kaiming_convolutions)

    def forward(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Segment images (B, M, H, W, D), every axis a multiple of 8, 16 or more; `keep` as in `ModalityEncoders`."""
        encoded = self.encoders(image, keep)
        latent: list[Tensor] = []
        for level in encoded.levels:
            means, log_variances = _gaussians(pack(level, encoded))
            mean, log_variance = product_of_gaussians(means, log_variances, encoded.filled)
            if self.training:
                mean = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            latent.append(mean.to(level.dtype))
        logits = self.decoder(latent)
        if not torch.jit.is_scripting() and self.training:
            gaussians = [_gaussians(all_modalities(level, encoded)) for level in encoded.levels]
            return {
                "pred": logits,
                "images": torch.cat([decoder(latent) for decoder in self.image_decoders], dim=1),
                "means": [means for means, _ in gaussians],
                "log_variances": [log_variances for _, log_variances in gaussians],
                "present": encoded.present,
                "available": encoded.available,
            }
        return nan_without_modalities(logits, encoded.available) if encoded.dense else logits


def product_of_gaussians(means: Tensor, log_variances: Tensor, available: Tensor) -> tuple[Tensor, Tensor]:
    """Multiply the Gaussians of the available modalities and the prior N(0, 1); mean and log variance (B, L, *spatial).

    The precision of the product is the sum of the precisions, its mean the mean weighted by them (Section 2.2 of
    Dorent et al., after Wu and Goodman, NeurIPS 2018).

    Args:
        means: (B, K, L, *spatial).
        log_variances: same shape.
        available: boolean (B, K); with none in a sample its product is the prior.
    """
    precisions = (-log_variances).exp()
    return product_from_precisions(precisions * means, precisions, available)


def product_from_precisions(weighted_means: Tensor, precisions: Tensor, available: Tensor) -> tuple[Tensor, Tensor]:
    """Return `product_of_gaussians` from what many products of the same Gaussians share.

    Args:
        weighted_means: (B, K, L, *spatial), means times precisions.
        precisions: same shape, 1 / variance.
        available: boolean (B, K).
    """
    precision = masked(precisions, available).sum(dim=1) + 1
    return masked(weighted_means, available).sum(dim=1) / precision, -precision.log()


def _gaussians(features: Tensor) -> tuple[Tensor, Tensor]:
    """Split features (B, K, 2 L, *spatial) into means and log variances, of variances between 1e-7 and e^50.

    In single precision always, since 1 / 1e-7 is beyond half precision.
    """
    means, log_variances = features.float().chunk(2, dim=2)
    return means, log_variances.clamp(math.log(1e-7), 50.0)
