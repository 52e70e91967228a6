"""Read 2D images (PNG, BMP, TIFF, JPEG) and their label maps."""

from __future__ import annotations

import logging
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import ensure_tuple
from torch import Tensor

from ..errors import InputError
from ..pictures import label_numbers, number_components, open_picture, picture_colours
from .source_file import source_file

__all__ = ["LoadPictured", "check_size", "picture_tensor"]


class LoadPictured(MapTransform):
    """Read 2D images into (3, H, W), float32 in [0, 1], and label maps into (1, H, W), int32; axes (row, column).

    Pictures and label maps are turned as viewers turn them, each by its own orientation tag, and grey pictures get
    three equal channels: see `picture_colours`. In label maps numbers count, not colours: see `label_numbers`. What is
    a tensor already stays as it is. "case" becomes the file's name where it is not given.

    `find_breast_cases` and `find_gland_cases` look at all files of a data set and leave two words in its items, which
    are gone afterwards: "highest_value", the largest number in all pictures of 16 bits, and "one_number", whether all
    objects of a map have one number and are separated as connected components (8 neighbours). Without the second word
    the map alone decides: one number in several components.

    Args:
        keys: pictures.
        label_keys: label maps as large as the picture under the first key; each is read where it is there.
        object_keys: those of the label maps that number objects.
        allow_missing_keys: skip absent pictures instead of raising.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        label_keys: KeysCollection = ("instances", "label"),
        object_keys: KeysCollection = "instances",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.label_keys = ensure_tuple(label_keys)
        self.object_keys = ensure_tuple(object_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        loaded = dict(data)
        highest, one_number = loaded.pop("highest_value", None), loaded.pop("one_number", None)
        if absent := [key for key in self.keys if key not in loaded and not self.allow_missing_keys]:
            case = loaded.get("case", "")
            raise InputError(f"case {case}: has no image under {absent[0]!r}; give one, or leave the case out.")
        for key in self.key_iterator(loaded):
            if not _is_array(loaded[key]):
                picture = open_picture(loaded[key])
                loaded.setdefault("case", picture.path.stem)
                loaded[key] = picture_tensor(picture_colours(picture, highest), picture.path)
        for key in self.label_keys:
            if key in loaded and not _is_array(loaded[key]):
                label = self._label(loaded[key], key in self.object_keys, one_number)
                check_size(label, loaded.get(self.keys[0]), self.keys[0])
                loaded[key] = label
        return loaded

    def _label(self, path: str | os.PathLike, objects: bool, one_number: bool | None) -> MetaTensor:
        picture = open_picture(path)
        numbers = label_numbers(picture, one_number=objects and one_number is True)
        if objects and one_number is not False:
            numbers, pieces = number_components(numbers)
            if pieces > 1 and one_number is None:
                logging.getLogger(__name__).warning(
                    "%s: all objects have one number; the %d connected components are taken as objects.", path, pieces
                )
        if objects and len(corners := np.unique(numbers[[0, 0, -1, -1], [0, -1, 0, -1]])) == 1 and corners[0]:
            raise InputError(
                f"{path}: object {corners[0]} has all four corners, as the ground does; number the objects from 1 and "
                "store 0 elsewhere."
            )
        return picture_tensor(numbers[None].astype(np.int32), picture.path)


def check_size(label: Tensor, picture: Tensor | None, picture_key: Hashable) -> None:
    """Refuse a label map (1, H, W) of another size than its image."""
    if picture is not None and label.shape[1:] != picture.shape[1:]:
        (rows, columns), (picture_rows, picture_columns) = label.shape[1:], picture.shape[1:]
        raise InputError(
            f"{source_file(label, 'label')}: is {columns} x {rows} pixels, but its image "
            f"{source_file(picture, picture_key)} is {picture_columns} x {picture_rows}; give the label map of "
            "this image."
        )


def picture_tensor(values: np.ndarray, path: Path) -> MetaTensor:
    """Return (channels, H, W) with the name of its file."""
    meta = {"filename_or_obj": str(path), "spatial_shape": np.array(values.shape[1:]), "original_channel_dim": 0}
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(values)), meta=meta)


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, Tensor))
