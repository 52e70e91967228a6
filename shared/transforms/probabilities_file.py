"""Write the probabilities of all classes into one file."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from monai.data import MetaTensor
from torch import Tensor

__all__ = ["write_probabilities"]

FASTEST = 1  # of zlib's levels; most voxels are background for certain, which any level makes small


def write_probabilities(path: Path, probabilities: Tensor, names: Sequence[str]) -> None:
    """Write an archive that `numpy.load` reads; NIfTI has no numbers of 16 bits with a fraction.

    It holds "probabilities" (C, *spatial), float16; "classes", the C names; and, of a volume, "affine" (4, 4), voxel
    indices to millimetres with x to the right, y to the front, z upwards. The same values give the same bytes.

    Args:
        path: ends in .npz.
        probabilities: (C, *spatial).
        names: of the classes, background first.
    """
    values = probabilities.detach().cpu()
    arrays = {"probabilities": np.asarray(values).astype(np.float16, copy=False), "classes": np.array(list(names))}
    if isinstance(values, MetaTensor) and values.ndim == 4:
        arrays["affine"] = np.asarray(values.affine, dtype=np.float64)
    if len(arrays["probabilities"]) != len(arrays["classes"]):
        raise ValueError(f"{len(arrays['probabilities'])} probabilities do not fit the classes {list(names)}.")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=FASTEST) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:  # dated 1980
                np.lib.format.write_array(file, array, allow_pickle=False)
