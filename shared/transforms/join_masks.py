"""Read the masks of one picture, one per lesion, and join them to one label."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from copy import deepcopy
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from torch import Tensor

from ..errors import InputError
from .load_picture import LoadPictured
from .source_file import source_file

__all__ = ["JoinMasksd"]

THRESHOLD = 127  # of 255: masks stored as JPEG, or made smaller, hold values between


class JoinMasksd(MapTransform):
    """Read a list of mask files into one label (1, H, W), int8: 1 where any of them is bright, 0 elsewhere.

    Bright is more than 127, or 1 in a mask of zeros and ones. An empty list gives a label of zeros: no lesion. The list
    is gone afterwards. This has to come after the picture is loaded.

    Args:
        keys: lists of masks.
        label_key: where the label goes.
        image_key: the picture, whose size the masks must have.
        allow_missing_keys: skip what has no list of masks instead of raising.
    """

    def __init__(
        self,
        keys: KeysCollection = "mask",
        label_key: str = "label",
        image_key: str = "image",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"keys {self.keys}: give one; the masks of a picture are one list.")
        self.label_key, self.image_key = label_key, image_key
        self.load = LoadPictured(image_key, label_keys="mask")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        joined = dict(data)
        for key in self.key_iterator(joined):
            image = joined[self.image_key]
            label = torch.zeros(1, *image.shape[1:], dtype=torch.int8)
            for path in joined.pop(key):
                mask = self.load({self.image_key: image, "mask": path})["mask"]
                label |= _bright(mask).to(torch.int8)
            joined[self.label_key] = MetaTensor(label, meta=deepcopy(dict(getattr(image, "meta", {}))))
        return joined


def _bright(mask: Tensor) -> Tensor:
    highest = int(mask.max())
    if 1 < highest <= THRESHOLD:
        raise InputError(
            f"{source_file(mask, 'mask')}: its highest value is {highest}; store a mask with 255 (or 1) for the lesion "
            "and 0 elsewhere."
        )
    return torch.as_tensor(mask > (0 if highest == 1 else THRESHOLD))
