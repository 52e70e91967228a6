"""Shapes and smooth random fields as functions of place, from which phantoms are painted.

Lengths are millimetres. Points are (N, 3); depths (N,) are positive inside a shape and negative outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import ndimage

__all__ = [
    "TISSUES",
    "Canvas",
    "SmoothField",
    "cover",
    "distance_to_line",
    "distance_to_point",
    "ellipsoid_depth",
    "rotation",
]

TISSUES = ("white", "grey", "fluid", "lesion", "vessel", "oedema", "solid", "necrosis", "enhancing")
REACH_MM = 110.0  # fields are defined within a cube of this half width


class SmoothField:
    """A smooth random function of place, mean 0, standard deviation about 1: quadratic B-splines on a lattice of noise.

    Args:
        generator: source of the lattice's values.
        detail_mm: distance of the lattice's points; waves are about three times as long.
    """

    def __init__(self, generator: np.random.Generator, detail_mm: float) -> None:
        self.detail_mm = detail_mm
        width = 2 * int(np.ceil(REACH_MM / detail_mm)) + 5
        spread = 0.55**1.5  # of noise weighted with the splines, whose squares sum to 11/20 per axis on average
        self.lattice = generator.standard_normal((width,) * 3, dtype=np.float32) / np.float32(spread)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the values (N,) at points (N, 3)."""
        places = points.T / self.detail_mm + (self.lattice.shape[0] - 1) / 2
        return ndimage.map_coordinates(self.lattice, places, order=2, prefilter=False, mode="mirror", output=np.float32)


class Canvas:
    """What N points hold: tissues painted one over the other, with soft edges.

    Args:
        shares: (N, number of tissues), how much of each a point holds, summing to one.
        voxel_mm: edge of the voxels that the points stand for; edges are at least that soft (partial volume).
        tissues: names of the columns of `shares`.
    """

    def __init__(self, shares: np.ndarray, voxel_mm: float, tissues: Sequence[str] = TISSUES) -> None:
        self.shares = shares
        self.voxel_mm = voxel_mm
        self.tissues = tuple(tissues)

    @classmethod
    def of_white_matter(cls, num_points: int, voxel_mm: float) -> Canvas:
        return cls.of_one(TISSUES, "white", num_points, voxel_mm)

    @classmethod
    def of_one(cls, tissues: Sequence[str], tissue: str, num_points: int, voxel_mm: float) -> Canvas:
        """Return a canvas that holds one of its tissues everywhere."""
        return cls(np.tile(np.float32([name == tissue for name in tissues]), (num_points, 1)), voxel_mm, tissues)

    def share(self, tissue: str) -> np.ndarray:
        """Return how much (N,) the points hold of a tissue now."""
        return self.shares[:, self.tissues.index(tissue)].copy()


def cover(canvas: Canvas, tissue: str, depth: np.ndarray, edge_mm: float, within: np.ndarray | float = 1.0) -> None:
    """Paint a tissue over what is on the canvas.

    Args:
        canvas: N points; changed.
        tissue: one of the canvas's tissues.
        depth: (N,), below the surface of the new tissue.
        edge_mm: width of the transition.
        within: (N,), share that may be covered.
    """
    slope = 2.0 / np.hypot(edge_mm, 0.7 * canvas.voxel_mm)
    opaque = within / (1.0 + np.exp(np.clip(-slope * depth, -30.0, 30.0)))
    canvas.shares *= (1.0 - opaque)[:, None]
    canvas.shares[:, canvas.tissues.index(tissue)] += opaque


def ellipsoid_depth(points: np.ndarray, centre: Sequence[float], axes: Sequence[float]) -> np.ndarray:
    """Depth in an upright ellipsoid with these semi-axes; exact at its surface, roughly right elsewhere."""
    return (1.0 - _length((points - np.float32(centre)) / np.float32(axes))) * min(axes)


def distance_to_point(points: np.ndarray, point: Sequence[float]) -> np.ndarray:
    return _length(points - np.float32(point))


def distance_to_line(points: np.ndarray, corners: Sequence[Sequence[float]]) -> np.ndarray:
    """Distance from a chain of straight segments."""
    return np.sqrt(np.minimum.reduce([_squared_distance(points, *ends) for ends in pairwise(np.float32(corners))]))


def rotation(angles: Sequence[float]) -> np.ndarray:
    """Rotation matrix (3, 3) for angles in radians about the three axes, applied in the order z, y, x."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array(((1, 0, 0), (0, cx, -sx), (0, sx, cx)))
    about_y = np.array(((cy, 0, sy), (0, 1, 0), (-sy, 0, cy)))
    return about_x @ about_y @ np.array(((cz, -sz, 0), (sz, cz, 0), (0, 0, 1)))


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))


def _squared_distance(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    away, along = points - start, end - start
    forwards = away @ along
    share = np.clip(forwards / (along @ along), 0.0, 1.0)
    squared = np.einsum("ij,ij->i", away, away) - share * (2.0 * forwards - share * (along @ along))
    return np.maximum(squared, 0.0)  # rounding
