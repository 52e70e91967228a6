"""Give the label back its key after the loss has read a dictionary of targets."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor

__all__ = ["KeepLabeld"]


class KeepLabeld(MapTransform):
    """Replace a target dictionary {"label": ..., ...} by its label, since metrics take a tensor.

    Args:
        keys: items that hold such a dictionary (MONAI's trainer keeps the target under "label").
    """

    def __init__(self, keys: KeysCollection) -> None:
        super().__init__(keys)

    def __call__(self, data: Mapping[Hashable, dict[str, Tensor]]) -> dict[Hashable, Tensor]:
        kept = dict(data)
        for key in self.key_iterator(kept):
            kept[key] = kept[key]["label"]
        return kept
