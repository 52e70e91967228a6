"""Venous sinuses, deep veins, arteries of the base, falx and tentorium: where they are in a painted head.

Courses are drawn by hand along the surface and the clefts of the atlas, in its millimetres, after the anatomy of
textbooks; a head bends them with everything else.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np

from .head_grid import Waves
from .head_pose import Head, sample_maps
from .mni_maps import AtlasMap, BrainMaps

__all__ = ["SINUS_COURSES", "sinuses", "tentorium"]

# one side; the other is its mirror image. Places (x, y, z) in the atlas in millimetres.
TRANSVERSE = ((0, -96, -8), (14, -95, -14), (28, -91, -20), (40, -84, -23), (49, -73, -26), (56, -60, -28))
SIGMOID = ((56, -60, -28), (58, -51, -32), (53, -45, -39), (47, -42, -47), (40, -42, -54), (30, -42, -60))
STRAIGHT = ((0, -44, 2), (0, -58, -1), (0, -74, -7), (0, -92, -10), (0, -97, -8))
INTERNAL_CEREBRAL = ((0, -44, 2), (2, -36, 7), (2, -14, 9))
BASAL = ((0, -44, 2), (8, -40, 0), (15, -35, -4), (20, -22, -10), (15, -8, -18))
INFERIOR_SAGITTAL = ((0, -44, 2), (0, -38, 16), (0, -20, 30), (0, 0, 32), (0, 20, 24))
CAVERNOUS = ((12, 6, -26), (12, -4, -28), (14, -12, -28))
PETROSAL = ((14, -12, -28), (32, -28, -30), (46, -40, -32), (55, -48, -33))
SPHENOPARIETAL = ((13, 5, -26), (24, 15, -23), (36, 20, -14))
MIDDLE_CEREBRAL = ((8, 4, -20), (28, 6, -20), (40, 8, -12), (45, -4, 0))
BASILAR = ((0, -10, -26), (0, -15, -36), (0, -16, -44))
SINUS_COURSES = {  # name of a map: courses with their radii in millimetres
    "left": ((TRANSVERSE, 4.2), (SIGMOID, 4.2)),
    "right": ((TRANSVERSE, 4.2), (SIGMOID, 4.2)),
    "deep": ((STRAIGHT, 3.0), (INTERNAL_CEREBRAL, 1.4), (BASAL, 1.0), (INFERIOR_SAGITTAL, 0.8)),
    "base": ((CAVERNOUS, 3.2), (PETROSAL, 1.3), (SPHENOPARIETAL, 1.3), (MIDDLE_CEREBRAL, 1.0), (BASILAR, 1.3)),
}
FAR_MM = 10.0
HYPOPLASTIC = 0.2  # share of transverse sinuses that are thin


def sinuses(generator: np.random.Generator, head: Head, maps: BrainMaps) -> np.ndarray:
    """Return the share (x, y, z), 0 to 1, of sinuses and large vessels: sagittal, transverse, sigmoid, deep, basal."""
    place = head.place.copy()
    place[0] = head.side  # where the falx is pushed aside its sinuses are
    deep_below = sample_maps(_below_surface(maps), place)
    uneven = np.exp(np.float32(0.3) * Waves(generator, 7.0).on(head.grid))
    shares = [_sagittal(generator, head, uneven)]
    for name, below in zip(SINUS_COURSES, deep_below, strict=True):
        wide, of_one_side = generator.uniform(0.7, 1.35), name in ("left", "right")
        if of_one_side and generator.random() < HYPOPLASTIC:
            wide = generator.uniform(0.1, 0.5)
        shows = generator.uniform(0.6 if of_one_side else 0.3, 1.0)
        more_mm = np.float32(3.0 if of_one_side else 1.0) * (np.float32(wide) * uneven - 1)
        shares.append(np.float32(shows) * np.clip(0.5 + below + more_mm, 0, 1))
    return np.maximum.reduce(shares)


def _sagittal(generator: np.random.Generator, head: Head, uneven: np.ndarray) -> np.ndarray:
    """Return the superior sagittal sinus: along the upper border of the falx, wider at the back."""
    at_back = 1.0 / (1.0 + np.exp((head.place[1] + 20.0) / 15.0))
    radius = (generator.uniform(1.0, 2.2) + generator.uniform(1.0, 2.2) * at_back) * uneven
    above = head.place[2] > np.where(head.place[1] < -17.5, -14.0, generator.uniform(10.0, 60.0))
    from_middle = np.hypot(head.side, head.depth - generator.uniform(-1.5, 1.5))
    return np.float32(generator.uniform(0.6, 1.0)) * np.clip(0.5 + radius - from_middle, 0, 1) * above


def tentorium(head: Head, half_mm: float) -> np.ndarray:
    """Return the share (x, y, z) of the tentorium: a roof above the cerebellum, with its notch for the brainstem.

    Args:
        head: its place and fluid.
        half_mm: half of its thickness.
    """
    x, y, z = np.abs(head.side), head.place[1], head.place[2]
    roof = -14.5 + 0.5 * (y + 80.0) - (0.19 + 0.013 * (y + 80.0)) * x  # fitted to the cleft in the atlas
    notch = (x / 18.0) ** 2 + ((y + 22.0) / 24.0) ** 2 < 1
    there = (y < -28.0) & (y > -98.0) & (head.depth > -3.0) & ~notch
    voxel = np.float32(np.prod(head.grid.spacing) ** (1 / 3))
    share = np.clip(0.5 + (np.float32(half_mm) - np.abs(z - roof)) / voxel, 0, 1)
    return share * there * np.clip(0.9 + 2.0 * head.fluid, 0, 1)


@lru_cache(maxsize=2)
def _below_surface(maps: BrainMaps) -> AtlasMap:
    """Return, for each of `SINUS_COURSES`, millimetres below the vessels' surface, negative outside."""
    coarse = maps.distance
    shape = coarse.values.shape[1:]
    values = np.full((len(SINUS_COURSES), *shape), -FAR_MM, np.float32)
    for number, (name, courses) in enumerate(SINUS_COURSES.items()):
        for sign in {"left": (-1,), "right": (1,)}.get(name, (-1, 1)):
            for course, radius in courses:
                points = np.float32(course) * np.float32((sign, 1, 1))
                for start, end in pairwise(points):
                    _raise(values[number], coarse, start, end, radius)
    return AtlasMap(values, coarse.spacing_mm, coarse.first_mm)


def _raise(below: np.ndarray, grid: AtlasMap, start: np.ndarray, end: np.ndarray, radius: float) -> None:
    """Raise the depth below a vessel's surface near one straight piece of it."""
    reach = radius + FAR_MM
    first = np.floor((np.minimum(start, end) - reach - grid.first_mm) / grid.spacing_mm).astype(int).clip(0)
    last = np.ceil((np.maximum(start, end) + reach - grid.first_mm) / grid.spacing_mm).astype(int) + 1
    box = tuple(slice(a, min(b, size)) for a, b, size in zip(first, last, below.shape, strict=True))
    axes = np.ogrid[box]
    off = np.stack(np.broadcast_arrays(*(grid.first_mm[k] + grid.spacing_mm * axes[k] - start[k] for k in range(3))))
    along = end - start
    share = np.tensordot(along, off, axes=1) / max(1e-6, float(along @ along))
    off = off - along[:, None, None, None] * share.clip(0, 1)
    np.maximum(below[box], radius - np.sqrt((off**2).sum(axis=0)), out=below[box])
