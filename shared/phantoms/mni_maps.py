"""The anatomy behind painted brains: grey matter, white matter and brain of the MNI152 template, through nilearn.

The maps are the symmetric ICBM 2009a nonlinear templates (Fonov et al., NeuroImage 54, 2011; Collins et al., 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from ..errors import InputError

__all__ = ["ATLAS", "ATLAS_TERMS", "AtlasMap", "BrainMaps", "load_brain_maps"]

ATLAS = "MNI152 (ICBM 2009a, nonlinear, symmetric; copyright Louis Collins, McGill University)"
ATLAS_TERMS = """Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological
Institute, McGill University. Permission to use, copy, modify, and distribute this software and its documentation for
any purpose and without fee is hereby granted, provided that the above copyright notice appear in all copies. The
authors and McGill University make no representations about the suitability of this software for any purpose. It is
provided "as is" without express or implied warranty. The authors are not responsible for any data loss, equipment
damage, property loss, or injury to subjects or patients resulting from the use or misuse of this software package."""
COARSE_MM = 2.0
FAR_MM = 12.0  # distances beyond are not told apart


@dataclass(frozen=True)
class AtlasMap:
    """Maps on one grid of the atlas.

    Attributes:
        values: (C, x, y, z), float32.
        spacing_mm: edge of a voxel.
        first_mm: (3,), place of the first voxel; x to the right, y to the front, z upwards.
    """

    values: np.ndarray
    spacing_mm: float
    first_mm: np.ndarray


@dataclass(frozen=True, eq=False)
class BrainMaps:
    """All that is known of the atlas.

    Attributes:
        tissue: shares of grey matter and of white matter, and the brain (1 inside).
        distance: millimetres below the surface of the brain (negative outside), and from the ventricles (negative
            inside), and the share of cerebellum and brainstem; on a coarse grid.
        middle_mm: (3,), middle of the brain's box.
    """

    tissue: AtlasMap
    distance: AtlasMap
    middle_mm: np.ndarray


@lru_cache(maxsize=2)
def load_brain_maps(fine: bool = False) -> BrainMaps:
    """Load the maps at 2 mm, or at 1 mm for finer pictures; once per process.

    Raises:
        InputError: nilearn is missing.
    """
    try:
        from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template
    except ImportError as error:
        raise InputError("painted brains need the package nilearn, which holds their anatomy; install it.") from error
    images = [load() for load in (load_mni152_gm_template, load_mni152_wm_template, load_mni152_template)]
    first = images[0].affine[:3, 3].copy()
    grey, white, t1 = (np.asanyarray(image.dataobj, dtype=np.float32) for image in images)
    small = [_halved(volume) for volume in (grey, white, t1)]
    brain = ndimage.binary_fill_holes(ndimage.binary_closing(small[2] > 0.1, iterations=2))
    coarse_first = first + (COARSE_MM - 1) / 2
    distance = _distances(small[0], small[1], brain, coarse_first)
    inside = np.argwhere(brain)
    middle = coarse_first + COARSE_MM * (inside.min(axis=0) + inside.max(axis=0)) / 2
    if fine:
        filled = ndimage.zoom(brain.astype(np.float32), 2, order=1, grid_mode=True, mode="nearest")
        whole = np.zeros_like(grey)
        whole[tuple(slice(0, size) for size in filled.shape)] = filled[tuple(slice(0, size) for size in grey.shape)]
        tissue = AtlasMap(np.stack([grey, white, whole]), 1.0, first)
    else:
        tissue = AtlasMap(np.stack([*small[:2], brain.astype(np.float32)]), COARSE_MM, coarse_first)
    return BrainMaps(tissue, AtlasMap(distance, COARSE_MM, coarse_first), middle)


def _halved(volume: np.ndarray) -> np.ndarray:
    """Return means over blocks of two voxels along each axis."""
    for axis in range(3):
        along = np.moveaxis(volume, axis, 0)
        count = len(along) // 2
        volume = np.moveaxis((along[0 : 2 * count : 2] + along[1 : 2 * count : 2]) / 2, 0, axis)
    return np.ascontiguousarray(volume)


def _distances(grey: np.ndarray, white: np.ndarray, brain: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return depth below the surface, distance from the ventricles, share of the hindbrain (3, x, y, z)."""
    x, y, z = (np.float32(first[k] + COARSE_MM * at) for k, at in enumerate(np.ogrid[tuple(map(slice, grey.shape))]))
    depth = _signed_distance(brain)
    deep = (abs(x) < 42) & (y > -55) & (y < 38) & (z > -20) & (z < 34)
    parts, _ = ndimage.label(brain & (grey + white < 0.5) & (depth > 8) & deep)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    ventricles = parts == sizes.argmax()
    tentorium = -16.0 + 0.15 * (y + 90.0)
    hindbrain = ((y < -10) & (abs(x) < np.where(y < -60, 60, 42))) / (1 + np.exp((z - tentorium) / 2))
    return np.stack([depth, -_signed_distance(ventricles), hindbrain]).astype(np.float32)


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    """Return the distance from a mask's surface in millimetres, positive inside."""
    inside, outside = (ndimage.distance_transform_edt(part, sampling=COARSE_MM) for part in (mask, ~mask))
    return np.clip(inside - outside - np.where(mask, 1.0, -1.0) * COARSE_MM / 2, -FAR_MM, None)
