"""One person's head: the atlas turned, scaled and bent, with ventricles and sulci of its own, sampled on a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .brain_phantom_shapes import rotation
from .head_grid import HeadGrid, Waves
from .mni_maps import AtlasMap, BrainMaps

__all__ = ["Head", "HeadPose", "sample_maps"]

PLACE = Callable[[np.ndarray], np.ndarray]
BENDS = ((34.0, 1.0, 4.0), (15.0, 0.4, 1.6), (7.0, 0.2, 0.8))  # length of the waves, least and greatest shift (mm)


@dataclass
class Head:
    """What is where on a grid; all arrays are float32 of the grid's shape.

    Attributes:
        grid: of the voxels.
        place: (3, x, y, z), place in the atlas in millimetres before a tumour pushed tissue there.
        grey: share of grey matter.
        white: share of white matter.
        fluid: share of CSF; the three sum to one inside the brain and to zero outside.
        depth: millimetres below the brain's surface, negative outside.
        from_ventricles: distance from the ventricles in millimetres, negative inside.
        side: millimetres from the falx, positive on the right.
        hindbrain: share of cerebellum and brainstem.
    """

    grid: HeadGrid
    place: np.ndarray
    grey: np.ndarray
    white: np.ndarray
    fluid: np.ndarray
    depth: np.ndarray
    from_ventricles: np.ndarray
    side: np.ndarray
    hindbrain: np.ndarray


class HeadPose:
    """All that differs between two healthy heads, drawn from the generator when it is made.

    Args:
        generator: of random numbers.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        angles = generator.normal(0.0, 0.07 if generator.random() < 0.9 else 0.15, 3)
        self.to_atlas = rotation(angles) / (generator.uniform(0.86, 0.98) * generator.uniform(0.96, 1.04, 3))
        self.shift_mm = generator.normal(0.0, 2.0, 3)
        self.mirrored = generator.random() < 0.5  # of a symmetric atlas: turns the side of what is bent
        self.bends = [
            (Waves(generator, detail), generator.uniform(least, most))
            for detail, least, most in BENDS
            for _ in range(3)
        ]
        self.wider_ventricles_mm = generator.normal(-0.3, 1.0) + (
            generator.uniform(0, 3.0) if generator.random() < 0.3 else 0
        )
        self.wider_sulci = generator.normal(0.0, 0.35)
        self.folds = Waves(generator, 5.0)
        self.crispness = generator.uniform(1.1, 1.9)

    def place(self, grid: HeadGrid, middle_mm: np.ndarray) -> np.ndarray:
        """Return the place in the atlas (3, x, y, z) of every voxel, in millimetres."""
        points = grid.points()
        place = np.empty((3, *grid.shape), np.float32)
        for k in range(3):
            turned = sum(np.float32(self.to_atlas[k, j]) * points[j] for j in range(3))
            place[k] = turned + np.float32(middle_mm[k] + self.shift_mm[k])
        for number, (field, millimetres) in enumerate(self.bends):
            place[number % 3] += np.float32(millimetres) * field.on(grid)
        if self.mirrored:
            np.negative(place[0], out=place[0])
        return place

    def sample(self, grid: HeadGrid, maps: BrainMaps, push: PLACE = lambda place: place) -> Head:
        """Return the head on a grid.

        Args:
            grid: of the voxels.
            maps: of the atlas.
            push: from the place of a voxel to where its tissue was before a tumour pushed it away.
        """
        place = self.place(grid, maps.middle_mm)
        origin = push(place)
        grey, white, brain = sample_maps(maps.tissue, origin)
        depth, from_ventricles, hindbrain = sample_maps(maps.distance, origin)
        from_ventricles -= np.float32(self.wider_ventricles_mm)
        shares = self._own_tissue(grid, grey, white, brain, from_ventricles)
        return Head(grid, place, *shares, depth, from_ventricles, origin[0], hindbrain)

    def _own_tissue(
        self, grid: HeadGrid, grey: np.ndarray, white: np.ndarray, brain: np.ndarray, from_ventricles: np.ndarray
    ) -> list[np.ndarray]:
        """Sharpen the mean of 152 heads into shares of grey matter, white matter and fluid as one head has them."""
        folds = self.folds.on(grid)
        voxel = np.float32(np.prod(grid.spacing) ** (1 / 3))
        ventricles = 1 / (1 + np.exp(np.clip(from_ventricles / (0.35 * voxel), -20, 20)))
        fluid = np.clip(1.0 - grey - white, 0, 1) * np.exp(np.float32(self.wider_sulci) + 0.5 * folds)
        fluid[(from_ventricles < 4.0) & (ventricles < 0.5)] *= 0.3  # where the atlas' ventricles were wider
        parts = [np.power(np.clip(part, 0, None), np.float32(self.crispness)) for part in (grey, white, fluid)]
        total = sum(parts) + 1e-6
        grey, white, fluid = (brain * part / total for part in parts)
        dry = 1.0 - ventricles
        return [grey * dry, white * dry, fluid * dry + brain * ventricles]


def sample_maps(maps: AtlasMap, place: np.ndarray) -> np.ndarray:
    """Return the maps (C, x, y, z), trilinear, at places (3, x, y, z) of the atlas in millimetres; 0 or far outside."""
    size = np.array(maps.values.shape[1:])
    grid = torch.empty((1, *place.shape[1:], 3))
    for k in range(3):
        scale = 2.0 / (maps.spacing_mm * (size[k] - 1))
        grid[0, ..., 2 - k] = torch.from_numpy(place[k] * np.float32(scale)) - float(maps.first_mm[k] * scale + 1.0)
    volumes = torch.from_numpy(maps.values)[None]
    return F.grid_sample(volumes, grid, padding_mode="border", align_corners=True)[0].numpy()
