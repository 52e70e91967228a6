"""Read NIfTI files with any unit of length and any storage of channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from monai.data import NibabelReader

from ..errors import InputError

__all__ = ["NiftiReader"]

MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}  # of the units metre, mm and micron in xyzt_units; 0 and others: not said


class NiftiReader(NibabelReader):
    """MONAI's reader for NIfTI, with affines in millimetres and channels on the fourth axis.

    Trailing axes of one are dropped, as in the vector images (x, y, z, 1, C) of the NIfTI standard.
    """

    def from_memory(self, image: Any) -> tuple[np.ndarray, dict]:
        """Return what `get_data` does of an image of nibabel that a program holds, and that may have no file."""
        self.filenames = [image.get_filename() or "image"]  # which MONAI's reader sets where it reads
        return self.get_data(image)

    def get_data(self, img: Any) -> tuple[np.ndarray, dict]:
        """Return the values, (x, y, z) or (x, y, z, C), and the metadata."""
        source = img.get_filename() or "image"
        if (kind := img.get_data_dtype()).kind not in "biuf":
            names = "+".join(kind.names) if kind.names else kind.name
            raise InputError(
                f"{source}: holds {names} values, but one number per voxel is expected; "
                "store the magnitude of complex numbers, or one colour."
            )
        values, meta = super().get_data(img)
        scale = MILLIMETRES.get(int(img.header["xyzt_units"]) % 8, 1.0)
        for key in ("affine", "original_affine"):
            meta[key] = np.diag([scale, scale, scale, 1.0]) @ meta[key]
        if values.ndim > 4:
            channels = [size for size in values.shape[3:] if size > 1]
            if len(channels) > 1:
                shape = " x ".join(map(str, values.shape))
                raise InputError(
                    f"{source}: has shape {shape}, more than one axis after the third; "
                    "store one image as x, y, z and several channels as x, y, z, channel."
                )
            values = values.reshape(*values.shape[:3], *channels)
            meta["original_channel_dim"] = -1 if channels else float("nan")
        return values, meta
