"""Read one frame of a DICOM ultrasound image as a picture."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform

from ..errors import InputError, in_one_line
from ..transforms.load_picture import picture_tensor
from .without_words import without_words

__all__ = ["LoadImageUltrasoundd"]

PALETTE, INVERTED = "PALETTE COLOR", "MONOCHROME1"


class LoadImageUltrasoundd(MapTransform):
    """Read the frame of a case that `ultrasound_cases` lists into (3, H, W), float32 in [0, 1]; pass others on.

    Grey pictures get three equal channels, palettes and YBR become RGB, and where 0 is white the picture is inverted.
    Where the file declares regions (SequenceOfUltrasoundRegions), everything outside of its 2D regions becomes black:
    names, dates and scales that are burned in there reach neither the network nor a figure. The size stays.

    Args:
        keys: pictures.
        allow_missing_keys: skip absent keys instead of raising.
    """

    def __init__(self, keys: KeysCollection = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        loaded = dict(data)
        if "frame" not in loaded:
            return loaded
        frame, regions = int(loaded.pop("frame")), json.loads(loaded["dicom"])["regions"]
        for key in self.key_iterator(loaded):
            path = Path(loaded[key])
            picture = _picture(path, frame)
            if regions:
                inside = np.zeros(picture.shape[1:], dtype=bool)
                for region in regions:
                    (top, bottom), (left, right) = region["rows"], region["columns"]
                    inside[top : bottom + 1, left : right + 1] = True
                picture = np.where(inside, picture, np.float32(0))
            loaded[key] = picture_tensor(picture, path)
        return loaded


def _picture(path: Path, frame: int) -> np.ndarray:
    """Return (3, H, W), float32 in [0, 1]."""
    import pydicom
    from pydicom.pixels import apply_color_lut, pixel_array

    try:
        with without_words():
            header = pydicom.dcmread(path, stop_before_pixels=True)
            values = pixel_array(path, index=frame)  # YBR becomes RGB
            bits = int(header.BitsStored)
            if header.PhotometricInterpretation == PALETTE:
                values = apply_color_lut(values, header)
                bits = 8 * values.dtype.itemsize
    except MemoryError:
        raise
    except Exception as error:  # pydicom and its decoders have several
        raise InputError(
            f"{path}: frame {frame + 1} cannot be read, it is damaged or compressed in a way that is not supported; "
            f"export it uncompressed ({in_one_line(error)})."
        ) from error
    colours = values.astype(np.float32)
    if header.get("PixelRepresentation") == 1:
        colours += 2.0 ** (bits - 1)
    colours = np.clip(colours / (2**bits - 1), 0, 1)
    if header.PhotometricInterpretation == INVERTED:
        colours = 1 - colours
    return np.repeat(colours[None], 3, axis=0) if colours.ndim == 2 else np.moveaxis(colours, -1, 0)
