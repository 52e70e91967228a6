"""Where the glands of a phantom lie, and where their insides are bright."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

__all__ = ["GlandKind", "lay_glands", "smooth_field"]

TRIES = 250  # places that are tried for a gland
SMALLEST_UM2 = 600.0
LEAST_RIM_UM = 5.0  # dark cells between the bright inside and the border

Box = tuple[slice, slice]


@dataclass(frozen=True)
class GlandKind:
    """What the glands of one image have in common; lengths in micrometres, angles in radians."""

    malignant: bool
    solid_share: float
    radius_um: float
    stretch: float
    angle: float
    angle_spread: float
    coverage: float

    @classmethod
    def draw(cls, generator: np.random.Generator, malignant: bool) -> GlandKind:
        """Benign glands are alike, round or long and side by side; malignant ones differ, many may be solid."""
        long = generator.random() < 0.35
        return cls(
            malignant=malignant,
            solid_share=generator.choice((0.15, 0.7)) if malignant else 0.0,
            radius_um=generator.uniform(30, 60) if malignant else generator.uniform(28, 50),
            stretch=generator.uniform(1.8, 3.0) if long else generator.uniform(1.0, 1.3),
            angle=generator.uniform(0, np.pi),
            angle_spread=0.2 if long else 1.0,
            coverage=generator.uniform(0.35, 0.65),
        )


def smooth_field(generator: np.random.Generator, shape: Sequence[int], detail: float) -> np.ndarray:
    """Return a smooth random function of place, mean 0 and standard deviation about 1; `detail` is in pixels."""
    step = max(1, int(detail / 2))  # filtered on a coarser grid
    coarse = [-(-length // step) + 1 for length in shape]
    noise = generator.standard_normal(coarse, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, max(detail, 0.3) / step, mode="mirror", truncate=3.0)
    noise /= max(float(noise.std()), 1e-6)
    for axis, length in enumerate(shape):  # back to the fine grid, linearly
        below, share = np.divmod(np.arange(length, dtype=np.float32) / step, 1)
        below, share = below.astype(int), np.expand_dims(share, 1 - axis)
        noise = noise.take(below, axis) * (1 - share) + noise.take(below + 1, axis) * share
    return noise


def lay_glands(
    generator: np.random.Generator, shape: Sequence[int], pixel_size_um: float, kind: GlandKind
) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the gland at every pixel (0 for none), and where it is bright inside (lumen, goblet cells).

    Some glands touch. Of the eight neighbours of a bright pixel none lies outside its gland.

    Args:
        generator: source of the shapes.
        shape: rows and columns.
        pixel_size_um: edge of a pixel.
        kind: of the glands.
    """
    glands, bright, blocked = np.zeros(shape, np.int32), np.zeros(shape, bool), np.zeros(shape, bool)
    for _ in range(TRIES):
        place = generator.uniform(0, 1, 2) * shape
        if blocked[tuple(place.astype(int))]:
            continue
        parts = _ellipses(generator, kind)
        box = _box_around(parts, place, shape, pixel_size_um)
        gap_um, touching = generator.uniform(4, 14), generator.random() < 0.15
        taken = glands[box] > 0 if touching else blocked[box]
        gland = _free_part(_blob(generator, parts, place, box, pixel_size_um, kind), taken)
        if gland.sum() * pixel_size_um**2 < SMALLEST_UM2:
            continue
        glands[box][gland] = glands.max() + 1
        depth_um = ndimage.distance_transform_edt(np.pad(gland, 1))[1:-1, 1:-1] * pixel_size_um
        inside = depth_um >= max(LEAST_RIM_UM, 1.5 * pixel_size_um)
        bright[box] |= inside & _bright_inside(generator, depth_um, pixel_size_um, kind)
        blocked |= _grown(gland, box, shape, gap_um / pixel_size_um)
        if (glands > 0).mean() > kind.coverage:
            break
    return glands, bright


def _ellipses(generator: np.random.Generator, kind: GlandKind) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Draw the ellipses (centre, semi-axes, angle) that a gland has grown together from; a benign one is a single."""
    if not kind.malignant:
        size = kind.radius_um * generator.uniform(0.75, 1.2)
        angle = kind.angle + kind.angle_spread * generator.standard_normal()
        return [(np.zeros(2), size * np.array((1.0, kind.stretch)), angle)]
    count = generator.integers(1, 5)
    size = kind.radius_um * generator.uniform(0.5, 1.0)
    centres = np.cumsum(generator.normal(0, 0.9 * size, (count, 2)), axis=0)
    axes = size * generator.uniform(0.7, 1.6, (count, 2))
    return list(zip(centres - centres.mean(0), axes, generator.uniform(0, np.pi, count), strict=True))


def _box_around(
    parts: Sequence[tuple[np.ndarray, np.ndarray, float]], place: np.ndarray, shape: Sequence[int], pixel_size_um: float
) -> Box:
    reach = max(np.abs(centre).max() + axes.max() for centre, axes, _ in parts) * 1.4 / pixel_size_um + 2
    low = np.maximum(place - reach, 0).astype(int)
    high = np.minimum(place + reach + 1, shape).astype(int)
    return tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))


def _blob(
    generator: np.random.Generator,
    parts: Sequence[tuple[np.ndarray, np.ndarray, float]],
    place: np.ndarray,
    box: Box,
    pixel_size_um: float,
    kind: GlandKind,
) -> np.ndarray:
    """Return the ellipses' union with an uneven border, as a mask of the box."""
    middle = place * pixel_size_um
    rows_um, columns_um = (axis * pixel_size_um for axis in np.ogrid[box])
    depth_um = np.float32(-np.inf)
    for centre, axes, angle in parts:
        down, right = np.float32(rows_um - middle[0] - centre[0]), np.float32(columns_um - middle[1] - centre[1])
        first, second = down * np.cos(angle) + right * np.sin(angle), right * np.cos(angle) - down * np.sin(angle)
        depth_um = np.maximum(depth_um, (1 - np.hypot(first / axes[0], second / axes[1])) * axes.min())
    roughness_um, detail_um = (5.0, 9.0) if kind.malignant else (1.5, 8.0)
    return depth_um + roughness_um * smooth_field(generator, depth_um.shape, detail_um / pixel_size_um) > 0


def _free_part(gland: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Return the largest piece of a gland that is not taken, nothing if much of it is; holes are filled."""
    free = gland & ~taken
    if free.sum() < 0.75 * gland.sum():
        return np.zeros_like(gland)
    pieces, _ = ndimage.label(free)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return ndimage.binary_fill_holes(pieces == max(sizes.argmax(), 1)) & ~taken


def _bright_inside(
    generator: np.random.Generator, depth_um: np.ndarray, pixel_size_um: float, kind: GlandKind
) -> np.ndarray:
    """Say what of a gland is bright: goblet cells and lumen of a benign one, one or more lumens of a malignant one."""
    if not kind.malignant:
        scallops = smooth_field(generator, depth_um.shape, 4.0 / pixel_size_um)
        return depth_um + 2.0 * scallops > generator.uniform(9, 14)
    folds = smooth_field(generator, depth_um.shape, 9.0 / pixel_size_um)
    form = generator.random()
    if form < kind.solid_share:
        return np.zeros(depth_um.shape, bool)
    if form < kind.solid_share + 0.25:  # sieve-like
        return (depth_um > 11) & (folds > 0.7)
    return depth_um + 5.0 * folds > generator.uniform(16, 26)


def _grown(gland: np.ndarray, box: Box, shape: Sequence[int], pixels: float) -> np.ndarray:
    """Return the gland and what lies nearer to it than so many pixels, on the whole canvas."""
    margin = int(np.ceil(pixels)) + 1
    wide = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in box)
    grown = np.zeros(shape, bool)
    grown[box] = gland
    grown[wide] = ndimage.distance_transform_edt(~grown[wide]) < pixels
    return grown
