"""A body of tumour: where it is, its rough shape, and how it pushes the brain away."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .head_grid import HeadGrid, Waves
from .head_pose import Head
from .mni_maps import BrainMaps

__all__ = ["Mass", "random_place"]

SKULL_MM = (70.0, 88.0, 72.0)  # semi-axes of the atlas' brain: beyond, nothing yields


class Mass:
    """A ball with lobes, drawn out along random axes, with a rough surface.

    Args:
        generator: of random numbers.
        centre: (3,), place in the atlas in millimetres.
        radius_mm: of the ball, in the atlas.
        push: how far the mass pushes at its surface, as a share of its radius.
        roughness: of its surface, as a share of its radius.
        lobes: further balls that touch it.
    """

    def __init__(
        self,
        generator: np.random.Generator,
        centre: np.ndarray,
        radius_mm: float,
        push: float = 0.0,
        roughness: float = 0.15,
        lobes: int = 0,
    ) -> None:
        self.centre, self.radius = np.float32(centre), float(radius_mm)
        self.push_mm, self.roughness_mm = push * radius_mm, roughness * radius_mm
        turn = np.linalg.qr(generator.standard_normal((3, 3)))[0]
        self.shape = np.float32(turn / generator.uniform(0.78, 1.3, 3))
        off = generator.standard_normal((lobes, 3))
        off *= (generator.uniform(0.5, 0.95, lobes) * radius_mm / np.linalg.norm(off, axis=1).clip(1e-6))[:, None]
        self.centres = [self.centre, *np.float32(self.centre + off)]
        self.radii = [self.radius, *(self.radius * generator.uniform(0.4, 0.8, lobes))]
        self.fields = [Waves(generator, max(3.0, radius_mm / size)) for size in (1.8, 4.0)]

    def push_away(self, place: np.ndarray) -> np.ndarray:
        """Return where the tissue at places (3, x, y, z) of the atlas was before; the skull does not yield."""
        if self.push_mm <= 0:
            return place
        away = place - self.centre[:, None, None, None]
        distance = np.sqrt(np.einsum("kxyz,kxyz->xyz", away, away))
        pushed = np.float32(self.push_mm) / (distance + self.radius)
        pushed *= np.exp(-((distance / np.float32(2.6 * self.radius)) ** 2))
        pushed *= np.clip(4.0 * (1.0 - _from_middle(place)), 0.0, 1.0)
        return place - pushed * away

    def depth(self, head: Head, margin_mm: float = 0.0) -> tuple[tuple[slice, ...], np.ndarray]:
        """Return a box of the grid that holds the mass and a margin, and the depth below its surface there (mm)."""
        reach = 2.4 * self.radius + 4.0 + margin_mm
        near = np.ones(head.grid.shape, bool)
        for k in range(3):
            near &= np.abs(head.place[k] - self.centre[k]) < reach
        box = head.grid.around(near)
        place = head.place[(slice(None), *box)]
        balls = []
        for centre, radius in zip(self.centres, self.radii, strict=True):
            off = np.tensordot(self.shape, place - centre[:, None, None, None], axes=1)
            balls.append(np.float32(radius) - np.sqrt(np.einsum("kxyz,kxyz->xyz", off, off)))
        depth = np.maximum.reduce(balls)
        part: HeadGrid = head.grid.box(box)
        for field, weight in zip(self.fields, (1.0, 0.45), strict=True):
            depth += np.float32(weight * self.roughness_mm) * field.on(part)
        return box, depth


def random_place(
    generator: np.random.Generator, maps: BrainMaps, hindbrain: float = 0.04, least_depth_mm: float = 6.0
) -> np.ndarray:
    """Draw a place in the atlas (3,), mostly in white matter.

    Args:
        generator: of random numbers.
        maps: of the atlas.
        hindbrain: weight of cerebellum and brainstem.
        least_depth_mm: below the surface of the brain.
    """
    places, sums = _places(maps, hindbrain, round(least_depth_mm))
    chosen = min(int(np.searchsorted(sums, generator.random() * sums[-1])), len(places) - 1)
    return maps.distance.first_mm + maps.distance.spacing_mm * (places[chosen] + generator.uniform(-1.0, 1.0, 3))


@lru_cache(maxsize=64)
def _places(maps: BrainMaps, hindbrain: float, least_depth_mm: int) -> tuple[np.ndarray, np.ndarray]:
    """Return every second voxel (N, 3) of the coarse maps that may be drawn, and sums (N,) of their weights."""
    depth, _, behind = maps.distance.values[:, ::2, ::2, ::2]
    step = round(2 * maps.distance.spacing_mm / maps.tissue.spacing_mm)
    white = maps.tissue.values[1][::step, ::step, ::step][tuple(slice(0, size) for size in depth.shape)]
    depth, behind = (part[tuple(slice(0, size) for size in white.shape)] for part in (depth, behind))
    weight = np.where(depth > least_depth_mm, 0.15 + white, 0.0) * (1.0 - (1.0 - hindbrain) * behind)
    places = np.argwhere(weight > 0)
    return 2 * places, np.cumsum(weight[tuple(places.T)], dtype=np.float64)


def _from_middle(place: np.ndarray) -> np.ndarray:
    """Return how far out places (3, x, y, z) are: 0 in the middle of the brain, 1 at the skull, roughly."""
    scaled = [
        (place[k] - middle) / axis for k, (middle, axis) in enumerate(zip((0.0, -17.5, 7.5), SKULL_MM, strict=True))
    ]
    return np.sqrt(sum(part * part for part in scaled))
