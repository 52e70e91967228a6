"""How a breast phantom looks in B-mode ultrasound: layers of tissue, lesions, shadows, speckle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .breast_phantom_lesion import Lesion
from .gland_phantom_shapes import smooth_field

__all__ = ["paint_breast"]

KINDS = ("normal", "benign", "malignant")
MARGIN = 0.04  # share of the picture painted around it, from which views are cut
RANGE_DB = 58.0  # from black to white
NOISE_DB = -62.0  # of the receiver


def paint_breast(
    number: Sequence[int] | int,
    size: Sequence[int] = (192, 256),
    kind: str = "normal",
    num_lesions: int = 1,
    view: int = 0,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Paint one phantom.

    Args:
        number: of the phantom, one or more integers; each gives another one.
        size: rows and columns.
        kind: normal, benign or malignant.
        num_lesions: how many, 1 or 2, where kind is not normal.
        view: of the same tissue; another one has other speckle, a slightly different cut, gain and marks.

    Returns:
        Picture (rows, columns), uint8, and the masks (rows, columns), bool, one per lesion.
    """
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is unknown; choose from {', '.join(KINDS)}.")
    generator = np.random.default_rng((*np.atleast_1d(number), 0))
    viewer = np.random.default_rng((*np.atleast_1d(number), 1, view))
    margins = [max(2, round(MARGIN * length)) for length in size]
    tissue = _Tissue(generator, [length + 2 * margin for length, margin in zip(size, margins, strict=True)])
    tissue.lay_layers()
    places = np.array((0.28, 0.72) if num_lesions == 2 else (0.5,)) + generator.uniform(-0.2, 0.2) / num_lesions
    lesions = [tissue.draw_lesion(kind == "malignant", place, num_lesions) for place in places if kind != "normal"]
    masks = [tissue.put(lesion) for lesion in lesions]
    tissue.attenuate()
    if generator.random() < (0.15 if lesions else 0.45):
        tissue.throw_shadow()
    window = tuple(
        slice(start := viewer.integers(0, 2 * margin + 1), start + length)
        for length, margin in zip(size, margins, strict=True)
    )
    masks = [mask[window] for mask in masks]
    picture = _scan(viewer, tissue.echo_db[window])
    if viewer.random() < 0.2:
        _mark(picture, masks[0] if masks else _anywhere(viewer, size))
    return picture, masks


class _Tissue:
    """Echo in decibels at every pixel; 0 is white."""

    def __init__(self, generator: np.random.Generator, shape: Sequence[int]) -> None:
        self.generator, self.shape = generator, tuple(shape)
        self.pixel_mm = generator.uniform(34, 44) / shape[1]
        self.depth_mm, self.right_mm = (axis * self.pixel_mm for axis in np.ogrid[: shape[0], : shape[1]])
        scale = shape[0] * self.pixel_mm / 30  # layers are as thick as the picture is deep
        thickness = np.array((1.6, generator.uniform(4, 10), generator.uniform(8, 13), generator.uniform(4, 7)))
        self.borders_mm = np.cumsum(thickness) * scale
        self.layer_mm = self._bend()
        self.echo_db = np.zeros(self.shape)

    def field(self, detail_mm: float, stretch: float = 1.0) -> np.ndarray:
        """Return a smooth random field, longer along the columns by a factor, and bent like the layers."""
        rows, columns = self.shape
        field = smooth_field(self.generator, (rows, int(columns / stretch) + 2), detail_mm / self.pixel_mm)
        left, share = np.divmod(np.arange(columns) / stretch, 1)
        left = left.astype(int)
        field = field[:, left] * (1 - share) + field[:, left + 1] * share
        above, share = np.divmod((self.layer_mm / self.pixel_mm).clip(0, rows - 1.001), 1)
        above = above.astype(int)
        upper, lower = (np.take_along_axis(field, row, axis=0) for row in (above, above + 1))
        return upper * (1 - share) + lower * share

    def _bend(self) -> np.ndarray:
        """Return how deep every pixel would lie if its tissue were not bent."""
        wave = smooth_field(self.generator, (1, self.shape[1]), 9.0 / self.pixel_mm)[0]
        tilt = self.generator.normal(0, 0.05) * (self.right_mm[0] - self.right_mm.mean())
        return self.depth_mm + (0.9 * wave + tilt) * np.clip(self.depth_mm / 4, 0, 1)

    def lines(self, detail_mm: float, stretch: float, width: float) -> np.ndarray:
        """Return thin bent lines, 1 in their middle, 0 away from them."""
        return np.exp(-((self.field(detail_mm, stretch) / width) ** 2)) * np.clip(0.6 + 0.6 * self.field(3.0), 0, 1)

    def lay_layers(self) -> None:
        """Paint skin, fat with septa, gland with fat lobules in it, muscle with fibres, chest wall."""
        skin, fat, gland, muscle = (border + 0.5 * smooth for border, smooth in self._uneven_borders())
        echo = self.echo_db
        echo[:] = -31 + 2 * self.field(1.2, 2.0) + 17 * self.lines(1.6, 3.0, 0.2)
        lobules = np.clip(4 * (self.field(1.8, 2.0) - self.generator.uniform(0.5, 1.3)), 0, 1)
        glandular = -24 + 4 * self.field(0.5, 4.0) + 15 * self.lines(0.9, 6.0, 0.3) - 11 * lobules
        fibres = -33 + 15 * self.lines(0.7, 10.0, 0.3) + 3 * self.field(0.8, 4.0)
        for border, below in ((fat, glandular), (gland, fibres), (muscle, -46 + 4 * self.field(1.0, 4.0))):
            share = np.clip((self.layer_mm - border) / 0.8 + 0.5, 0, 1)
            echo += share * (below - echo)
        for border, strength in ((fat, 5), (gland, 9), (muscle, 16)):
            echo += strength * np.exp(-(((self.layer_mm - border) / 0.35) ** 2)) * np.clip(0.8 + self.field(5.0), 0, 1)
        echo[:] = np.where(self.depth_mm < skin, -17 + 3 * self.field(0.6, 6.0), echo)

    def _uneven_borders(self) -> list[tuple[float, np.ndarray]]:
        waves = [smooth_field(self.generator, (1, self.shape[1]), 5.0 / self.pixel_mm) for _ in self.borders_mm]
        return list(zip(self.borders_mm, [0.2 * waves[0], *(1.6 * wave for wave in waves[1:])], strict=True))

    def draw_lesion(self, malignant: bool, place: float, num_lesions: int) -> Lesion:
        top, bottom = self.borders_mm[1] - 1.0, self.borders_mm[2] - 1.0
        return Lesion.draw(
            self.generator,
            malignant,
            depth_mm=self.generator.uniform(top, bottom),
            right_mm=place * self.shape[1] * self.pixel_mm,
            radius_mm=self.generator.uniform(2.2, 5.0) / num_lesions**0.5,
        )

    def put(self, lesion: Lesion) -> np.ndarray:
        """Paint a lesion, its rim and what lies behind it; return its mask."""
        nearness = lesion.nearness(self.depth_mm, self.right_mm)
        mask = nearness < 1
        inside = lesion.echo_db + 2.0 * self.field(0.8) + 1.5 * self.field(2.5)
        softness = 0.16 if lesion.malignant else 0.07
        share = np.clip((1 - nearness) / softness + 0.5, 0, 1)
        rim = np.exp(-(((nearness - 1.12) / 0.1) ** 2)) * np.clip(0.5 + self.field(3.0), 0, 1)
        self.echo_db += share * (inside - self.echo_db) + 5 * rim
        self._rear(mask, lesion.rear_db)
        return mask

    def _rear(self, mask: np.ndarray, rear_db: float) -> None:
        """Brighten or darken the tissue behind a lesion, most where the sound went through most of it."""
        bottom = self.shape[0] - 1 - mask[::-1].argmax(axis=0)
        bottom = np.where(mask.any(axis=0), bottom, self.shape[0]) * self.pixel_mm
        path = ndimage.gaussian_filter1d(mask.sum(axis=0) / max(mask.sum(axis=0).max(), 1), 0.9 / self.pixel_mm)
        behind = np.clip((self.depth_mm - bottom) / 1.2, 0, 1) * np.exp(-np.clip(self.depth_mm - bottom, 0, None) / 16)
        self.echo_db += rear_db * path * ndimage.gaussian_filter(behind, 0.4 / self.pixel_mm)
        if rear_db > 0:  # sound is bent away at the sides of a smooth lesion
            sides = np.abs(np.diff(mask.any(axis=0).astype(float), append=0))
            edges = ndimage.gaussian_filter1d(sides, 0.5 / self.pixel_mm) * (0.5 / self.pixel_mm) * 2.0
            middle = np.argwhere(mask)[:, 0].mean() * self.pixel_mm if mask.any() else np.inf
            self.echo_db -= 3.5 * edges * np.clip((self.depth_mm - middle) / 2, 0, 1)

    def attenuate(self) -> None:
        """Lose sound on the way down, here more than there."""
        self.echo_db -= self.generator.uniform(0.1, 0.6) * self.depth_mm + 3.0 * self.field(12.0)

    def throw_shadow(self) -> None:
        """Darken a strip below some place: poor contact, a ligament, the nipple. No lesion is there."""
        generator = self.generator
        centre, width = generator.uniform(0.1, 0.9) * self.right_mm.max(), generator.uniform(1.5, 4.5)
        strip = np.exp(-(((self.right_mm - centre + 0.1 * self.depth_mm) / width) ** 4))
        start = generator.uniform(1, self.borders_mm[2])
        ragged = self.depth_mm + 1.2 * self.field(2.0) - start
        self.echo_db -= generator.uniform(8, 18) * strip * np.clip(ragged / 3, 0, 1)


def _scan(viewer: np.random.Generator, echo_db: np.ndarray) -> np.ndarray:
    """Add speckle and receiver noise, compress, and turn to grey values."""
    power = np.zeros(echo_db.shape)
    looks = 3  # averaged, as compound scanning does
    for _ in range(looks):
        waves = viewer.standard_normal((2, *echo_db.shape), dtype=np.float32)
        waves = ndimage.gaussian_filter(waves, (0, 0.7, 1.5))  # sound resolves less across than along its way
        power += (waves**2).sum(axis=0) / (2 * waves.var()) / looks  # of a Rayleigh-distributed amplitude
    total = power * 10 ** (echo_db / 10) + 10 ** (NOISE_DB / 10)
    grey = 1 + (10 * np.log10(total) + viewer.uniform(-3, 3)) / RANGE_DB
    return (255 * grey).clip(0, 255).round().astype(np.uint8)


def _anywhere(viewer: np.random.Generator, size: Sequence[int]) -> np.ndarray:
    """Return a region that somebody might have measured in a picture without a lesion."""
    place = viewer.uniform(0.3, 0.7, 2)
    down, right = (axis / length - share for axis, length, share in zip(np.indices(size), size, place, strict=True))
    return np.hypot(down, right) < viewer.uniform(0.06, 0.15)


def _mark(picture: np.ndarray, region: np.ndarray) -> None:
    """Burn callipers in: crosses at the ends of a region's height and width, dots between them."""
    rows, columns = np.nonzero(region)
    if not len(rows):
        return
    row, column = int(rows.mean()), int(columns.mean())
    picture[rows.min() : rows.max() : 4, column] = 230
    picture[row, columns.min() : columns.max() : 4] = 230
    for down, right in ((rows.min(), column), (rows.max(), column), (row, columns.min()), (row, columns.max())):
        picture[max(down - 2, 0) : down + 3, right] = 240
        picture[down, max(right - 2, 0) : right + 3] = 240
