"""Read the lesion masks of one image and join them to one label."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from copy import deepcopy
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from ..pictures import bright_part, open_picture
from .load_picture import check_size

__all__ = ["JoinMasksd"]


class JoinMasksd(MapTransform):
    """Read a list of mask files into one label (1, H, W), int8: 1 where any of them is bright, 0 elsewhere.

    Colours count, of palettes as well, and the orientation tag of the mask's own file: see `bright_part`. An empty list
    gives a label of zeros: no lesion. The list is gone afterwards. This has to come after the picture is loaded.

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
            raise ValueError(f"keys {self.keys}: give one; the masks of an image are one list.")
        self.label_key, self.image_key = label_key, image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        joined = dict(data)
        for key in self.key_iterator(joined):
            image = joined[self.image_key]
            label = torch.zeros(1, *image.shape[1:], dtype=torch.int8)
            for path in joined.pop(key):
                bright = torch.from_numpy(bright_part(open_picture(path)))[None]
                check_size(MetaTensor(bright, meta={"filename_or_obj": str(path)}), image, self.image_key)
                label |= bright.to(torch.int8)
            joined[self.label_key] = MetaTensor(label, meta=deepcopy(dict(getattr(image, "meta", {}))))
        return joined
