"""Keep the grid of a volume and free its values."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from .give_back import give_back

__all__ = ["LeaveGridd"]


class LeaveGridd(MapTransform):
    """Replace volumes by zeros that need no memory, with the same shape and metadata, and free the values.

    For a mask of the brain of which only the grid is still needed, see `SegmentOnGridd`. Inside an engine the memory is
    free only after `shared.handlers.HoldVolumesOnce`.

    Args:
        keys: volumes (channels, *spatial) with an affine, of which nobody reads the values afterwards.
        allow_missing_keys: skip absent keys instead of raising.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        left = dict(data)
        for key in self.key_iterator(left):
            volume = left[key]
            zero = volume.as_tensor().new_zeros([1] * volume.ndim)
            left[key] = MetaTensor(zero.expand(volume.shape)).copy_meta_from(volume)
            give_back(volume)
        return left
