"""Painted gliomas: necrotic core, enhancing rim with gaps, non-enhancing tumour, satellites, oedema."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .head_grid import Waves, octaves
from .head_pose import Head
from .lesion_mass import Mass, random_place
from .lesion_parts import ENHANCING, NECROSIS, OEDEMA, SOLID, Lesion, bodies, brain_of
from .lesion_spread import IN_WHITE, blocked_by, spread_mm
from .mni_maps import BrainMaps

__all__ = ["HighGradeGlioma", "LowGradeGlioma", "add_oedema", "paint_body"]

FORMS = {"ring": 0.54, "patchy": 0.16, "nodule": 0.14, "sparse": 0.16}  # how often high-grade gliomas have each
LEAST_SLOWER = 0.75  # in some places oedema spreads that much faster


class LowGradeGlioma:
    """A body of non-enhancing tumour, now and then with faint spots that enhance or a cyst, mostly little oedema.

    Args:
        generator: source of all that differs between tumours.
        maps: of the atlas.
    """

    radius_mm = (12.0, 26.0, 38.0)  # least, most frequent, greatest
    reach_mm = (0.0, 3.0, 20.0)
    satellites = 0.0

    def __init__(self, generator: np.random.Generator, maps: BrainMaps) -> None:
        self.generator = generator
        centre = random_place(generator, maps)
        push, roughness = generator.uniform(0.05, 0.4), generator.uniform(0.08, 0.24)
        self.main = Mass(
            generator,
            centre,
            generator.triangular(*self.radius_mm),
            push=push,
            roughness=roughness,
            lobes=int(generator.integers(0, 4)),
        )
        self.crosses = generator.random() < 0.12
        self.masses = [self.main]
        if generator.random() < self.satellites:
            for _ in range(generator.integers(1, 4)):
                away = generator.standard_normal(3)
                away *= (self.main.radius + generator.uniform(3.0, 16.0)) / np.linalg.norm(away)
                self.masses.append(Mass(generator, centre + away, generator.uniform(2.5, 8.0)))
        self.reach = generator.triangular(*self.reach_mm)

    def push_away(self, place: np.ndarray) -> np.ndarray:
        """Return where the tissue at places (3, x, y, z) of the atlas was before the tumour grew."""
        return self.main.push_away(place)

    def paint(self, head: Head) -> Lesion:
        """Paint the tumour into a head."""
        parts = np.zeros(head.grid.shape, np.uint8)
        allowed = brain_of(head) & (head.from_ventricles > -1.0)
        if not self.crosses:
            allowed &= head.side * np.sign(self.main.centre[0]) > -1.0
        for mass in self.masses:
            box, depth = mass.depth(head)
            core = (depth > 0) & allowed[box]
            if mass is not self.main:
                core &= head.fluid[box] < 0.5
            core = bodies(core)
            inner = self._inner(head, box, core, mass)
            parts[box] = np.where(core, inner, parts[box])
        return add_oedema(self.generator, head, parts, self.reach)

    def _inner(self, head: Head, box: tuple[slice, ...], core: np.ndarray, mass: Mass) -> np.ndarray:
        """Say what the body of a mass consists of."""
        g, grid = self.generator, head.grid.box(box)
        inner = np.full(core.shape, SOLID, np.uint8)
        inwards = ndimage.distance_transform_edt(core, sampling=grid.spacing)
        if g.random() < 0.35:
            inner[(octaves(g, grid, 6.0) > g.uniform(1.2, 2.2)) & (inwards > 2.0)] = ENHANCING
        if g.random() < 0.3:
            inner[(octaves(g, grid, 9.0) > g.uniform(0.9, 1.8)) & (inwards > 3.0)] = NECROSIS
        return inner


class HighGradeGlioma(LowGradeGlioma):
    """A ring, a patchy body, one with an enhancing nodule or one that hardly enhances; oedema around."""

    radius_mm = (9.0, 22.0, 36.0)
    reach_mm = (2.0, 11.0, 20.0)
    satellites = 0.3

    def _inner(self, head: Head, box: tuple[slice, ...], core: np.ndarray, mass: Mass) -> np.ndarray:
        form = self.generator.choice(list(FORMS), p=list(FORMS.values())) if mass is self.main else "ring"
        return paint_body(self.generator, head, box, core, form)


def paint_body(
    g: np.random.Generator, head: Head, box: tuple[slice, ...], core: np.ndarray, form: str = "ring"
) -> np.ndarray:
    """Say what an aggressive tumour consists of inside.

    Args:
        g: of random numbers.
        head: that holds it.
        box: part of the head's grid.
        core: (x, y, z) of the box, mask of the body.
        form: "ring" (enhancing outside, necrotic inside), "patchy" (both all over), "nodule" (one enhancing ball) or
            "sparse" (solid, with a few islands that enhance).

    Returns:
        Indices into `PARTS`, uint8; those outside of the body mean nothing.
    """
    grid = head.grid.box(box)
    inwards = ndimage.distance_transform_edt(core, sampling=grid.spacing).astype(np.float32)
    size = max(3.5, 0.5 * float(inwards.max()))  # large tumours have large chambers
    wide, walls, gaps, chambers = (Waves(g, detail).on(grid) for detail in (size, size, 1.3 * size, size))
    rough = octaves(g, grid, 6.0)
    if form == "nodule":
        inner = np.full(core.shape, SOLID, np.uint8)
        places = np.argwhere(core)
        centre = places[g.integers(len(places))] if len(places) else np.zeros(3)
        steps = np.ogrid[tuple(map(slice, core.shape))]
        off = [(at - c) * mm for at, c, mm in zip(steps, centre, grid.spacing, strict=True)]
        deep = inwards.max() * g.uniform(0.4, 0.9) + 2.0 * wide - np.sqrt(sum(part**2 for part in off))
        inner[deep > 0] = ENHANCING
        inner[deep > g.uniform(2.0, 7.0)] = NECROSIS
        inner[chambers > g.uniform(1.0, 2.5)] = NECROSIS
        return inner
    outer = g.uniform(1.0, 4.0) * np.exp(0.5 * gaps) if g.random() < 0.3 else np.float32(0)
    rim_mm = np.exp(g.uniform(np.log(1.2), np.log(6.0)) + g.uniform(0.2, 0.5) * wide + 0.12 * rough)
    rim_mm += 0.5 * min(grid.spacing)  # the outermost voxel's middle is so deep below the surface already
    if form == "sparse":
        rim = (gaps + 0.3 * rough > g.uniform(0.9, 1.9)) & (inwards < outer + 2.0 * rim_mm)
    elif form == "patchy":
        rim = (wide + 0.25 * rough + g.uniform(-0.03, 0.06) * inwards > g.uniform(-0.8, 0.6)) & (inwards > outer)
    else:
        rim = (inwards > outer) & (inwards < outer + rim_mm) & (gaps > g.uniform(-3.0, -0.8))
        if g.random() < 0.4:
            rim |= (np.abs(walls + 0.2 * rough) < g.uniform(0.05, 0.3)) & (inwards > outer)  # walls inside
    inner = np.full(core.shape, SOLID if form == "sparse" else NECROSIS, np.uint8)
    if form == "sparse":
        inner[chambers + 0.2 * rough > g.uniform(1.0, 2.5)] = NECROSIS
    else:
        inner[chambers + 0.2 * rough > g.uniform(0.3, 3.0)] = SOLID
    inner[inwards <= np.maximum(outer, g.uniform(0.0, 1.5))] = SOLID  # also where the rim has gaps
    inner[rim] = ENHANCING
    return inner


def add_oedema(
    g: np.random.Generator, head: Head, parts: np.ndarray, reach_mm: float, start: np.ndarray | None = None
) -> Lesion:
    """Add oedema around a tumour.

    Args:
        g: of random numbers.
        head: that holds the tumour.
        parts: of the tumour.
        reach_mm: how far the oedema goes in white matter, roughly.
        start: effort at the tumour's voxels, `inf` elsewhere, where parts of it have more oedema than others.
    """
    core = parts > 0
    if not core.any():
        return Lesion(parts, np.zeros(parts.shape, np.float32))
    start = np.where(core, np.float32(0), np.float32(np.inf)) if start is None else start
    most = 1.8 * reach_mm + 2.0
    box = head.grid.around(core, most / (IN_WHITE * LEAST_SLOWER) + 4.0)  # no oedema beyond
    near = _part_of(head, box)
    slower = np.exp(0.35 * Waves(g, 6.0).on(near.grid)).clip(LEAST_SLOWER, 2.0)
    effort = spread_mm(near, start[box], most, slower)
    effort = _smoothed(effort, effort < 2.0 * most, [0.8 * max(1.0, 2.0 / edge) for edge in near.grid.spacing])
    limit = np.float32(reach_mm) * np.exp(0.35 * Waves(g, 13.0).on(near.grid)).clip(None, 1.8)
    oedema = (effort < limit) & ~blocked_by(near) & ~core[box]  # fine grids: the effort is known at 2 mm only
    painted = parts.copy()
    painted[box][oedema] = OEDEMA
    fade = np.zeros(parts.shape, np.float32)
    fade[box] = np.clip(effort / np.maximum(limit, 1.0), 0.0, 1.0)
    return Lesion(painted, fade)


def _smoothed(values: np.ndarray, reached: np.ndarray, sigma: Sequence[float]) -> np.ndarray:
    """Return values smoothed over what was reached; the others stay: they must not hold their neighbours back."""
    weights = ndimage.gaussian_filter(reached.astype(np.float32), sigma, truncate=2.5)
    smooth = ndimage.gaussian_filter(np.where(reached, values, np.float32(0)), sigma, truncate=2.5)
    return np.where(reached, smooth / weights.clip(1e-3), values)


def _part_of(head: Head, box: tuple[slice, ...]) -> Head:
    arrays = (head.grey, head.white, head.fluid, head.depth, head.from_ventricles, head.side, head.hindbrain)
    return Head(head.grid.box(box), head.place[(slice(None), *box)], *(array[box] for array in arrays))
