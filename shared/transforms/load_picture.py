"""Read pictures (PNG, BMP, TIFF, JPEG) and the label maps that belong to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor, PILReader
from monai.transforms import LoadImage, MapTransform
from monai.utils import ensure_tuple
from torch import Tensor

from ..errors import InputError
from .source_file import source_file

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["LoadPictured"]

WHITE = (255, 255, 255, 255)  # a slide without tissue
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # how Pillow calls grey values of more than 8 bits
HIGHEST = 65535


class LoadPictured(MapTransform):
    """Read pictures into (3, H, W), float32 in [0, 1], and label maps into (1, H, W), int32; axes (row, column).

    Grey pictures get three equal channels, palettes become colours, transparent parts are laid over white. 16 bits are
    divided by 65535, 8 bits by 255. Nothing is turned, whatever a camera noted in the file. Of a label map with a
    palette the numbers count, not the colours. What is a tensor already stays as it is. "case" becomes the file's name
    where it is not given.

    Args:
        keys: pictures.
        label_keys: label maps as large as the picture under the first key; each is read where it is there.
        allow_missing_keys: skip absent pictures instead of raising.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        label_keys: KeysCollection = ("instances", "label"),
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.label_keys = ensure_tuple(label_keys)
        self.load_picture = _loader(_in_colour, np.float32)
        self.load_label = _loader(_in_numbers, np.int64)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        loaded = dict(data)
        if absent := [key for key in self.keys if key not in loaded and not self.allow_missing_keys]:
            case = loaded.get("case", "")
            raise InputError(f"case {case}: has no picture under {absent[0]!r}; give one, or leave the case out.")
        for key in self.key_iterator(loaded):
            if not _is_array(loaded[key]):
                if "case" not in loaded:
                    loaded["case"] = Path(loaded[key]).stem
                loaded[key] = self._picture(loaded[key])
        for key in self.label_keys:
            if key in loaded and not _is_array(loaded[key]):
                loaded[key] = self._label(loaded[key])
                self._check_size(loaded[key], loaded.get(self.keys[0]))
        return loaded

    def _picture(self, path: str | os.PathLike) -> MetaTensor:
        picture = _read(path, self.load_picture)
        picture /= HIGHEST if picture.meta["mode"] in DEEP_MODES else 255
        return picture if picture.shape[0] == 3 else picture.repeat(3, 1, 1)

    def _label(self, path: str | os.PathLike) -> MetaTensor:
        label = _read(path, self.load_label)
        if label.shape[0] > 1 and not (label == label[:1]).all():
            raise InputError(
                f"{path}: a label map holds one number per pixel, this picture holds colours; store the numbers "
                "(0 for none) as a grey picture."
            )
        return label[:1].to(torch.int32)

    def _check_size(self, label: MetaTensor, picture: Tensor | None) -> None:
        if picture is not None and label.shape[1:] != picture.shape[1:]:
            (rows, columns), (picture_rows, picture_columns) = label.shape[1:], picture.shape[1:]
            raise InputError(
                f"{source_file(label, 'label')}: is {columns} x {rows} pixels, but its picture "
                f"{source_file(picture, self.keys[0])} is {picture_columns} x {picture_rows}; give the label map of "
                "this picture."
            )


def _loader(converter: Callable[[Image], Image], dtype: type) -> Callable[[Path], MetaTensor]:
    reader = PILReader(converter=converter, reverse_indexing=False)  # by default it puts columns first
    return partial(LoadImage(dtype=dtype, ensure_channel_first=True), reader=reader)


def _read(path: str | os.PathLike, load: Callable[[Path], MetaTensor]) -> MetaTensor:
    """Read a file as (C, H, W)."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"expected the path of a picture, got {path!r}; give one file per key.")
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"{path}: no such file; correct the path, or leave the case out.")
    try:
        picture = load(path).contiguous()
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Pillow has several of its own, and lets struct.error and others through
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{path}: cannot be read as a picture, it is damaged, incomplete, of another format or too large; copy it "
            f"again, or store it as PNG ({reason if len(reason) < 150 else reason[:147] + '...'})."
        ) from error
    picture.meta["spatial_shape"] = np.array(picture.shape[1:])  # the reader counts columns first
    return picture


def _in_colour(picture: Image) -> Image:
    """Turn any picture into RGB, or into grey of 16 bits."""
    from PIL import Image

    _check_pages(picture)
    if picture.mode in DEEP_MODES:
        return _deep(picture)
    if picture.mode == "F":
        raise InputError(f"{picture.filename}: holds fractions; store it as a picture of 8 or 16 bits.")
    if picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, WHITE), coloured).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _deep(picture: Image) -> Image:
    low, high = picture.getextrema()
    if low < 0 or high > HIGHEST:
        raise InputError(f"{picture.filename}: values reach from {low} to {high}; store it with 8 or 16 bits.")
    return picture.convert("I")


def _in_numbers(picture: Image) -> Image:
    """Check that a picture holds whole numbers; those of a palette stay as they are."""
    _check_pages(picture)
    if picture.mode == "F":
        raise InputError(f"{picture.filename}: holds fractions; a label map holds whole numbers.")
    picture.load()
    if picture.mode in ("LA", "PA"):
        return picture.getchannel(0)
    return picture.convert("RGB") if picture.mode == "RGBA" else picture


def _check_pages(picture: Image) -> None:
    pages = getattr(picture, "n_frames", 1)
    if picture.format == "TIFF" and pages > 1:
        raise InputError(f"{picture.filename}: holds {pages} pages; store the one that is meant in a file of its own.")


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, Tensor))
