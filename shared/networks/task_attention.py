"""Attention mask with which one task chooses among features that several tasks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["TaskAttention"]


class TaskAttention(nn.Module):
    r"""Soft attention mask of one task on one level of a shared network (MTAN).

    .. math:: \hat{a} = a \odot p, \qquad a = h(g([u; f(\hat{a}_{j-1})]))

    Eqs. 1 and 2 of Liu et al., "End-to-End Multi-Task Learning with Attention", CVPR 2019. u and p are two maps of the
    shared network on this level, f(a_{j-1}) the features that the task chose on the level before, already at this
    level's size. g and h are 1 x 1 convolutions with batch normalisation, g followed by a ReLU and h by a sigmoid.
    The first level has u alone.

    Args:
        in_channels: of u and of the features before it, together.
        channels: of p.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.mask = nn.Sequential(
            nn.Conv2d(in_channels, channels, kernel_size=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, kernel_size=1),
            nn.BatchNorm2d(channels),
            nn.Sigmoid(),
        )

    def forward(self, first: Tensor, last: Tensor, before: Tensor | None = None) -> Tensor:
        """Return the features that the task takes, (B, `channels`, H, W).

        Args:
            first: u, (B, C, H, W).
            last: p, (B, `channels`, H, W).
            before: f(a_{j-1}), (B, `in_channels` - C, H, W), or None on the first level.
        """
        seen = first if before is None else torch.cat([first, before], dim=1)
        return self.mask(seen) * last
