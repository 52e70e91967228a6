"""DC-Seg: RFNet with disentangled contrastive learning."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .disentangling import BRANCHES, DisentanglingBranches
from .encoded_modalities import EncodedModalities
from .rfnet import RFNet

__all__ = ["DCSeg"]


class DCSeg(RFNet):
    """`RFNet` with branches for contrastive learning in training; in evaluation it is RFNet.

    Li et al., "DC-Seg: Disentangled Contrastive Learning for Brain Tumor Segmentation with Missing Modalities", MICCAI
    2025. In training the dictionary also has what `DisentanglingBranches` returns.

    Args:
        in_channels: modalities M.
        out_channels: classes C.
        features: channels of the finest level, even; they double from level to level.
        branches: what the loss reads; see `DisentanglingBranches`.
        dense: compute absent modalities, too, and mask them; see `ModalityEncoders`.
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        features: int = 16,
        branches: Sequence[str] = BRANCHES,
        dense: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, features, dense)
        self.branches = DisentanglingBranches(branches, in_channels, features)

    def _more_in_training(self, image: Tensor, encoded: EncodedModalities, deepest: Tensor) -> dict[str, Tensor]:
        return self.branches(image, encoded, deepest)
