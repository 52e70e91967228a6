"""Residual encoder of one modality."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from .conv_blocks import ConvNormAct
from .modality_encoders import ModalityEncoders

__all__ = ["ResidualEncoder", "residual_encoders"]


class ResidualEncoder(nn.Module):
    """Feature maps of one modality at strides 1, 2, 4, ...

    Every level is a = enter(input), out = a + residual(a): one block that halves the size (not on the first level),
    then two blocks with a skip around them. RFNet (Ding et al., ICCV 2021) and mmFormer (Zhang et al., MICCAI 2022)
    have one such encoder per modality.

    Args:
        widths: channels of the levels.
        block: `ConvNormAct` or `NormActConv`.
        enter: what the first level enters by, 1 channel to `widths[0]`; without it a block.
    """

    def __init__(self, widths: Sequence[int], block: type[nn.Module], enter: nn.Module | None = None) -> None:
        super().__init__()
        levels = [_ResidualLevel(enter or block(1, widths[0]), widths[0], block)]
        for narrow, wide in pairwise(widths):
            levels.append(_ResidualLevel(block(narrow, wide, stride=2), wide, block))
        self.levels = nn.ModuleList(levels)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return one feature map per level, the finest first, of images (B, 1, *spatial)."""
        features = image
        levels: list[Tensor] = []
        for level in self.levels:
            features = level(features)
            levels.append(features)
        return levels


def residual_encoders(
    widths: Sequence[int], num_modalities: int, encode_all_in_training: bool, dense: bool
) -> ModalityEncoders:
    """Build RFNet's encoders, as RobustSeg and CLoE have them: a `ResidualEncoder` of `ConvNormAct` per modality.

    Args:
        widths: channels of the levels.
        num_modalities: M.
        encode_all_in_training: see `ModalityEncoders`.
        dense: see `ModalityEncoders`.
    """
    encoders = (ResidualEncoder(widths, ConvNormAct) for _ in range(num_modalities))
    return ModalityEncoders(encoders, 2 ** (len(widths) - 1), encode_all_in_training, dense)


class _ResidualLevel(nn.Module):
    def __init__(self, enter: nn.Module, channels: int, block: type[nn.Module]) -> None:
        super().__init__()
        self.enter = enter
        self.residual = nn.Sequential(block(channels, channels), block(channels, channels))

    def forward(self, features: Tensor) -> Tensor:
        features = self.enter(features)
        return self.residual(features) + features  # the sum has the first one's memory layout: that of the weights
