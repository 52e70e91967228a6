"""Object-contextual attention: every pixel is joined by a mixture of features of the regions that it resembles."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["ObjectContextAttention"]

GROUPS = 8  # of the group normalisations


class ObjectContextAttention(nn.Module):
    r"""Object-contextual representation of pixels by K soft regions.

    .. math::
        f_k = \sum_i m_{ki} x_i, \qquad
        y_i = \rho\Big(\sum_k w_{ik} \delta(f_k)\Big), \qquad
        w_{ik} \propto \exp(\phi(x_i)^\top \psi(f_k) / \sqrt{C}), \qquad
        z_i = g([x_i; y_i])

    Yuan et al., "Object-Contextual Representations for Semantic Segmentation", ECCV 2020, with similarities divided by
    the root of the number of key channels C as in the published program. m_k is the softmax over the image of the
    logits of region k, a 1 x 1 convolution of the features that is to be supervised with the labels. phi, psi, delta,
    rho and g are 1 x 1 convolutions with normalisation and ReLU: batch normalisation there, group normalisation here,
    for MTL-OCA.

    Args:
        channels: of the features, a multiple of 8.
        key_channels: of phi, psi and delta, a multiple of 8.
        regions: K.
    """

    def __init__(self, channels: int, key_channels: int = 64, regions: int = 2) -> None:
        super().__init__()
        self.region_logits = nn.Conv2d(channels, regions, kernel_size=1)
        self.pixel_key = _pointwise(channels, key_channels)  # phi
        self.region_key = _pointwise(channels, key_channels)  # psi
        self.region_value = _pointwise(channels, key_channels)  # delta
        self.context = _pointwise(key_channels, channels)  # rho
        self.join = _pointwise(2 * channels, channels)  # g

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features with their context (B, C, H, W) and the logits of the regions (B, K, H, W).

        Args:
            features: x, (B, C, H, W).
        """
        region_logits = self.region_logits(features)
        shares = region_logits.flatten(2).softmax(dim=2)  # (B, K, H * W)
        regions = (features.flatten(2) @ shares.transpose(1, 2)).unsqueeze(-1)  # (B, C, K, 1)
        key, value = self.region_key(regions).flatten(2), self.region_value(regions).flatten(2)
        pixel_key = self.pixel_key(features).flatten(2).transpose(1, 2)  # (B, H * W, key channels)
        weights = (pixel_key @ key / math.sqrt(key.shape[1])).softmax(dim=2)  # (B, H * W, K)
        mixture = (value @ weights.transpose(1, 2)).view(features.shape[0], -1, *features.shape[2:])
        return self.join(torch.cat([features, self.context(mixture)], dim=1)), region_logits


def _pointwise(in_channels: int, out_channels: int) -> nn.Sequential:
    """1 x 1 convolution, group normalisation, ReLU."""
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(GROUPS, out_channels), nn.ReLU(inplace=True))
