"""An upright grid of voxels, and smooth random fields on it that are the same at every spacing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["HeadGrid", "Waves", "octaves"]

LATTICE = 40  # points along each axis


class HeadGrid:
    """Centres of voxels along three axes: x to the right, y to the front, z upwards, the middle of the brain at 0.

    Args:
        axes: three lists of coordinates in millimetres, evenly spaced, rising or falling.
    """

    def __init__(self, axes: Sequence[np.ndarray]) -> None:
        self.axes = tuple(np.asarray(axis, np.float32) for axis in axes)
        self.shape = tuple(len(axis) for axis in self.axes)
        self.spacing = tuple(float(abs(axis[1] - axis[0])) if len(axis) > 1 else 1.0 for axis in self.axes)

    @classmethod
    def of_affine(cls, size: Sequence[int], affine: np.ndarray) -> HeadGrid:
        """Return the grid of an affine (4, 4) without rotation."""
        return cls([affine[k, k] * np.arange(size[k]) + affine[k, 3] for k in range(3)])

    def points(self) -> list[np.ndarray]:
        """Return the three coordinates, each along its own axis, to be broadcast."""
        return list(np.ix_(*self.axes))

    def box(self, slices: Sequence[slice]) -> HeadGrid:
        """Return a part of the grid."""
        return HeadGrid([axis[part] for axis, part in zip(self.axes, slices, strict=True)])

    def around(self, where: np.ndarray, margin_mm: float = 0.0) -> tuple[slice, ...]:
        """Return the smallest box that holds a mask and a margin; all of the grid where the mask is empty."""
        slices = []
        for axis, (size, spacing) in enumerate(zip(self.shape, self.spacing, strict=True)):
            found = np.flatnonzero(where.any(axis=tuple(other for other in range(3) if other != axis)))
            if not len(found):
                return tuple(slice(0, size) for size in self.shape)
            margin = int(np.ceil(margin_mm / spacing))
            slices.append(slice(max(0, found[0] - margin), min(size, found[-1] + 1 + margin)))
        return tuple(slices)


class Waves:
    """A smooth random function of place, mean 0, standard deviation about 1, that comes again after 40 details.

    Quadratic B-splines on a small lattice of noise, whose memory and time do not grow with the detail: on a grid of
    voxels the sums over the lattice are three products of matrices.

    Args:
        generator: source of the lattice's values.
        detail_mm: distance of the lattice's points; waves are about three times as long.
    """

    def __init__(self, generator: np.random.Generator, detail_mm: float) -> None:
        self.detail_mm = detail_mm
        spread = 0.55**1.5  # of noise weighted with the splines, whose squares sum to 11/20 per axis on average
        self.lattice = generator.standard_normal((LATTICE,) * 3, dtype=np.float32) / np.float32(spread)

    def on(self, grid: HeadGrid) -> np.ndarray:
        """Return the values (x, y, z) at the voxels of a grid."""
        values = self.lattice
        for axis in grid.axes:
            values = np.tensordot(values, self._weights(axis), axes=(0, 1))  # the new axis becomes the last
        return values

    def _weights(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the weights (N, 40) of the lattice's points at N coordinates."""
        places = np.asarray(coordinates, np.float64) / self.detail_mm
        nearest = np.rint(places).astype(int)
        off, rows = places - nearest, np.arange(len(places))
        weights = np.zeros((len(places), LATTICE), np.float32)
        for step, weight in ((-1, 0.5 * (0.5 - off) ** 2), (0, 0.75 - off**2), (1, 0.5 * (0.5 + off) ** 2)):
            weights[rows, (nearest + step) % LATTICE] = weight
        return weights


def octaves(generator: np.random.Generator, grid: HeadGrid, detail_mm: float) -> np.ndarray:
    """Return a rough random field, mean 0, standard deviation about 1: waves of three lengths, the short ones weak."""
    fields = [Waves(generator, detail_mm / 2**k).on(grid) for k in range(3)]
    return 0.81 * (fields[0] + 0.6 * fields[1] + 0.4 * fields[2])
