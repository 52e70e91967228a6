"""How the tissue of a gland phantom looks: haematoxylin (blue) and eosin (pink) on a bright slide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from .gland_phantom_shapes import GlandKind, lay_glands, smooth_field

__all__ = ["paint_glands"]

# optical density of red, green and blue for one unit of the stain, near those of Ruifrok & Johnston 2001
HAEMATOXYLIN, EOSIN = np.array((0.65, 0.78, 0.33)), np.array((0.07, 0.99, 0.15))
MARGIN_UM = 60.0  # painted around the picture and cut off, so that its border cuts glands
SLIVER_UM2 = 150.0  # what is left of a gland at the border and smaller than this counts as none


def paint_glands(
    number: Sequence[int] | int,
    size: Sequence[int] = (261, 387),
    pixel_size_um: float = 1.24,
    malignant: bool = False,
    stain: Sequence[int] | int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Paint one phantom.

    Args:
        number: of the phantom, one or more integers; each gives another one.
        size: rows and columns.
        pixel_size_um: edge of a pixel.
        malignant: grade of the glands.
        stain: number of the stain, likewise; pictures of one patient share it.

    Returns:
        Picture (rows, columns, 3), uint8; glands (rows, columns), int32, 1 to n; and their regions, uint8: 0 stroma,
        1 epithelium, 2 what is bright inside a gland.
    """
    generator = np.random.default_rng(number)
    margin = int(np.ceil(MARGIN_UM / pixel_size_um))
    shape = tuple(int(length) + 2 * margin for length in size)
    glands, bright = lay_glands(generator, shape, pixel_size_um, GlandKind.draw(generator, malignant))
    tissue = _Tissue(generator, shape, pixel_size_um)
    tissue.fill_stroma(glands > 0)
    tissue.fill_glands(glands, bright, malignant)
    picture = _develop(generator, np.random.default_rng(stain), tissue)
    within = (slice(margin, -margin),) * 2
    glands = _numbered(glands[within], SLIVER_UM2 / pixel_size_um**2)
    return picture[within], glands, np.where(glands > 0, 1 + bright[within], 0).astype(np.uint8)


class _Tissue:
    """How much of each stain there is at every pixel."""

    def __init__(self, generator: np.random.Generator, shape: Sequence[int], pixel_size_um: float) -> None:
        self.generator, self.shape, self.pixel_size_um = generator, shape, pixel_size_um
        self.blue, self.pink = np.zeros(shape), np.zeros(shape)

    def field(self, detail_um: float) -> np.ndarray:
        return smooth_field(self.generator, self.shape, detail_um / self.pixel_size_um)

    def paint(self, where: np.ndarray, blue: np.ndarray | float, pink: np.ndarray | float) -> None:
        self.blue, self.pink = np.where(where, blue, self.blue), np.where(where, pink, self.pink)

    def fill_stroma(self, outside_of: np.ndarray) -> None:
        """Paint fibres, gaps, vessels and the nuclei of connective tissue."""
        generator = self.generator
        fibres = np.abs(np.sin(generator.uniform(3, 6) * self.field(22.0)))
        self.paint(True, 0.06 + 0.03 * self.field(15.0), 0.34 + 0.16 * fibres + 0.05 * self.field(2.5))
        loose = self.field(30.0) + 0.8 * self.field(5.0) > generator.uniform(0.9, 2.0)
        self.paint(loose, 0.02, 0.08 + 0.04 * fibres)
        for _ in range(generator.integers(0, 4)):
            self._vessel(outside_of)
        crowded = generator.uniform(0.25, 0.8) + 0.3 * self.field(35.0)
        self._nuclei(~outside_of, crowded, spacing_um=8.0, axes_um=((2.4, 3.4), (2.4, 3.6)), angles=None)
        along = np.arctan2(*np.gradient(ndimage.gaussian_filter(fibres, 6.0 / self.pixel_size_um))) + np.pi / 2
        self._nuclei(~outside_of, 0.3, spacing_um=11.0, axes_um=((1.2, 2.0), (5.0, 8.0)), angles=along)

    def _vessel(self, outside_of: np.ndarray) -> None:
        """Paint a bright hole with a thin wall, where no gland is: not everything bright and round is a lumen."""
        centre = self.generator.uniform(0, 1, 2) * self.shape
        away = (np.stack(np.indices(self.shape), axis=-1) - centre) * self.pixel_size_um
        away = away * self.generator.uniform(0.7, 1.5, 2)
        depth_um = self.generator.uniform(9, 24) - np.sqrt((away**2).sum(-1)) + 1.5 * self.field(8.0)
        self.paint((depth_um > -3) & ~outside_of, 0.3, 0.5)
        self.paint((depth_um > 0) & ~outside_of, 0.0, 0.03)
        cells = (depth_um > 2) & (self.field(3.0) > self.generator.uniform(0.3, 2.5)) & ~outside_of
        self.paint(cells, 0.02, 0.85)

    def fill_glands(self, glands: np.ndarray, bright: np.ndarray, malignant: bool) -> None:
        """Paint cell bodies and nuclei of the epithelium, goblet cells, lumens and what lies in them."""
        generator, pixel_size_um = self.generator, self.pixel_size_um
        inside = glands > 0
        same = ndimage.minimum_filter(glands, 3) == ndimage.maximum_filter(glands, 3)
        depth_um = ndimage.distance_transform_edt(inside & same) * pixel_size_um
        wall = inside & ~bright
        body = generator.uniform(0.2, 0.34) + (0.06 if malignant else 0.0)
        self.paint(wall, body + 0.05 * self.field(4.0), generator.uniform(0.3, 0.45) + 0.06 * self.field(3.0))
        outwards = np.arctan2(*np.gradient(ndimage.gaussian_filter(depth_um, 2.0 / pixel_size_um)))
        if malignant:
            chosen = wall & (depth_um > 1.5)
            self._nuclei(chosen, 0.85, spacing_um=7.0, axes_um=((2.3, 3.8), (3.2, 6.0)), angles=outwards, turn=0.6)
            self.paint(bright, 0.0, 0.03)
            dead = generator.choice((9.0, 1.2, 0.4))
            self.paint(bright & (self.field(6.0) > dead), 0.12, 0.4)
            self._nuclei(bright & (self.pink > 0.2), 0.4, 6.0, axes_um=((1.2, 2.2), (1.2, 2.4)), angles=None)
            torn = ~inside & (ndimage.distance_transform_edt(~inside) * pixel_size_um < 6 * (self.field(20.0) - 0.6))
            self.paint(torn, 0.0, 0.04)
        else:
            self._goblet_cells(bright)
            basal = wall & (depth_um > 1.5) & (depth_um < generator.uniform(7, 11))
            self._nuclei(basal, 0.95, spacing_um=5.0, axes_um=((1.7, 2.5), (3.0, 4.4)), angles=outwards, turn=0.2)

    def _goblet_cells(self, bright: np.ndarray) -> None:
        """Paint vacuoles with thin walls around an open lumen."""
        from_wall_um = ndimage.distance_transform_edt(bright) * self.pixel_size_um
        seeds = self._scattered(9.0, jitter=0.7)
        places = np.argwhere(bright)
        if not len(places):
            return
        nearest, _ = cKDTree(seeds).query(places, k=2)
        membrane = np.zeros(self.shape)
        membrane[bright] = np.clip(1.3 - np.diff(nearest, axis=1)[:, 0] * self.pixel_size_um / 2, 0, 1)
        mucus = self.generator.uniform(0.02, 0.12)
        cells = bright & (from_wall_um < self.generator.uniform(8, 20))
        self.paint(bright, 0.01, 0.03 + 0.04 * np.clip(self.field(8.0), 0, None))
        self.paint(cells, mucus + 0.1 * membrane, 0.05 + 0.5 * mucus + 0.22 * membrane)

    def _scattered(self, spacing_um: float, jitter: float) -> np.ndarray:
        """Return places (N, 2) in pixels, on a grid with displacements."""
        step = spacing_um / self.pixel_size_um
        grid = np.stack(np.meshgrid(*(np.arange(0, length, step) for length in self.shape), indexing="ij"), axis=-1)
        return (grid + jitter * step * self.generator.uniform(-0.5, 1.5, grid.shape)).reshape(-1, 2)

    def _nuclei(
        self,
        where: np.ndarray,
        share: np.ndarray | float,
        spacing_um: float,
        axes_um: tuple[tuple[float, float], tuple[float, float]],
        angles: np.ndarray | None,
        turn: float = 0.3,
    ) -> None:
        """Scatter dark ellipses: across and along the angle at their place, which is any if no angles are given."""
        generator = self.generator
        centres = self._scattered(spacing_um, jitter=0.5)
        rows, columns = np.clip(centres.round().astype(int), 0, np.array(self.shape) - 1).T
        chance = np.broadcast_to(share, self.shape)[rows, columns]
        drawn = where[rows, columns] & (generator.random(len(centres)) < chance)
        centres, rows, columns = centres[drawn], rows[drawn], columns[drawn]
        axes = np.stack([generator.uniform(*limits, len(centres)) for limits in axes_um], axis=-1) / self.pixel_size_um
        angle = generator.uniform(0, np.pi, len(centres)) if angles is None else angles[rows, columns]
        angle = angle + turn * generator.standard_normal(len(centres))
        covered = _stamp(self.shape, centres, axes, angle, generator.uniform(0.75, 1.0, len(centres)))
        chromatin = np.clip(1.05 + 0.15 * self.field(1.5), 0.6, 1.4)
        self.blue = self.blue * (1 - covered) + chromatin * covered
        self.pink = self.pink * (1 - 0.2 * covered)


def _stamp(
    shape: Sequence[int], centres: np.ndarray, axes: np.ndarray, angles: np.ndarray, strengths: np.ndarray
) -> np.ndarray:
    """Return how much of every pixel ellipses cover; the first semi-axis lies across the angle, the second along."""
    reach = int(np.ceil(axes.max(initial=0.0))) + 1
    around = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    pixels = centres.round().astype(int)[:, None] + around  # (N, P, 2)
    away = pixels - centres[:, None]
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    along, across = away[..., 1] * cosine + away[..., 0] * sine, away[..., 0] * cosine - away[..., 1] * sine
    radius = np.hypot(across / axes[:, :1], along / axes[:, 1:])
    covered = np.clip((1 - radius) * axes.min(axis=1, keepdims=True) + 0.5, 0, 1) * strengths[:, None]
    rows, columns = pixels[..., 0], pixels[..., 1]
    on_canvas = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1]) & (covered > 0)
    total = np.zeros(shape)
    np.maximum.at(total, (rows[on_canvas], columns[on_canvas]), covered[on_canvas])
    return total


def _develop(generator: np.random.Generator, patient: np.random.Generator, tissue: _Tissue) -> np.ndarray:
    """Turn amounts of stain into a picture: the patient's stain, the light's unevenness, blur and noise."""
    strengths = np.exp(patient.normal(0.2, 0.22, 2) + generator.normal(0, 0.05, 2))
    tints = np.stack((HAEMATOXYLIN, EOSIN)) * np.exp(patient.normal(0, 0.12, (2, 3)))
    amounts = np.stack((tissue.blue, tissue.pink), axis=-1).clip(0)
    density = (amounts * strengths) @ tints + patient.uniform(0.02, 0.07, 3)
    light = np.exp(-density) * (1 + 0.02 * tissue.field(100.0))[..., None]
    light = ndimage.gaussian_filter(light, (0.5 / tissue.pixel_size_um,) * 2 + (0,))
    noise = generator.normal(0, generator.uniform(0.008, 0.02), light.shape)
    return (255 * (light + noise)).clip(0, 255).round().astype(np.uint8)


def _numbered(glands: np.ndarray, smallest: float) -> np.ndarray:
    """Number the glands that are large enough 1 to n."""
    areas = np.bincount(glands.ravel())
    areas[0] = 0
    large = areas >= smallest
    return np.where(large, np.cumsum(large), 0)[glands].astype(np.int32)
