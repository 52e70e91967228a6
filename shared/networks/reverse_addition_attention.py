"""Reverse addition attention: a finer map corrects a coarse mask where that mask sees nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .partial_decoder import conv_relu_norm, resized

__all__ = ["ReverseAdditionAttention"]


class ReverseAdditionAttention(nn.Module):
    r"""Decoder level that adds to a coarse mask what it finds outside of this mask (RAA of MTANet).

    .. math:: m' = m + \mathrm{conv}((1 - \sigma(m)) \odot d), \qquad d = \mathrm{conv}^2(\mathrm{conv}(d_{l+1}) + x_l)

    Ling et al., "MTANet: Multi-Task Attention Network for Automatic Medical Image Segmentation and Classification",
    IEEE TMI 43(2), 2024, as in the authors' program. m is the mask before, d_{l+1} the decoder's map before, both
    brought to the size of the encoder's map x_l. All convolutions are 3 x 3, followed by ReLU and batch normalisation:
    the correction may be negative.

    Args:
        below: channels of d_{l+1}.
        channels: of x_l and of the output map.
    """

    def __init__(self, below: int, channels: int) -> None:
        super().__init__()
        self.from_below = conv_relu_norm(below, channels)
        self.merge = nn.Sequential(conv_relu_norm(channels, channels), conv_relu_norm(channels, channels))
        self.correction = conv_relu_norm(channels, 1)

    def forward(self, mask: Tensor, below: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        """Return the corrected mask (B, 1, H, W) and the map of this level (B, `channels`, H, W).

        Args:
            mask: logits m, (B, 1, h, w) of any size.
            below: d_{l+1}, (B, `below`, h, w).
            skip: x_l, (B, `channels`, H, W).
        """
        mask = resized(mask, skip)
        features = self.merge(self.from_below(resized(below, skip)) + skip)
        return mask + self.correction((1 - torch.sigmoid(mask)) * features), features
