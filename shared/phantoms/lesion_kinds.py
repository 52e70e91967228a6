"""Metastases, meningiomas and treated gliomas, and how often each kind of lesion is painted."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .head_grid import octaves
from .head_pose import Head
from .lesion_glioma import HighGradeGlioma, LowGradeGlioma, add_oedema, paint_body
from .lesion_mass import Mass, random_place
from .lesion_parts import CAVITY, ENHANCING, NECROSIS, OEDEMA, SOLID, Lesion, bodies, brain_of
from .mni_maps import BrainMaps

__all__ = ["LESIONS", "SHARES", "BrainMetastases", "Meningioma", "TreatedGlioma"]


class BrainMetastases:
    """One to twenty balls that enhance, the larger ones as rings, in cerebrum and cerebellum, each with its oedema."""

    def __init__(self, generator: np.random.Generator, maps: BrainMaps) -> None:
        self.generator = generator
        few = generator.random() < 0.8
        number = min(20, int(generator.geometric(0.22))) if few else int(generator.integers(1, 21))
        radii = np.exp(generator.uniform(np.log(1.8), np.log(9.0), number))
        radii[0] = generator.uniform(3.5, 13.0)
        self.masses = []
        for radius in radii:
            place = self._free_place(maps, radius)
            self.masses.append(Mass(generator, place, radius, push=generator.uniform(0.0, 0.2), roughness=0.1))
        self.reaches = generator.uniform(0.0, 1.0, number) * generator.uniform(0.0, 1.5) * radii.clip(None, 9.0)

    def _free_place(self, maps: BrainMaps, radius: float) -> np.ndarray:
        """Draw a place that keeps off the others, so that they stay as many."""
        for _ in range(20):
            place = random_place(self.generator, maps, hindbrain=0.5, least_depth_mm=3.0 + radius)
            if all(np.linalg.norm(place - m.centre) > 1.7 * (m.radius + radius) + 3.0 for m in self.masses):
                break
        return place

    def push_away(self, place: np.ndarray) -> np.ndarray:
        """Return where the tissue at places (3, x, y, z) of the atlas was before the largest one grew."""
        return max(self.masses, key=lambda mass: mass.radius).push_away(place)

    def paint(self, head: Head) -> Lesion:
        """Paint them into a head."""
        g, parts = self.generator, np.zeros(head.grid.shape, np.uint8)
        inside = brain_of(head) & (head.from_ventricles > 0)
        start = np.full(head.grid.shape, np.inf, np.float32)
        most = float(max(self.reaches))
        for mass, reach in zip(self.masses, self.reaches, strict=True):
            box, depth = mass.depth(head)
            core = bodies((depth > 0) & inside[box])
            if not core.any() and inside[box].any():
                core = inside[box] & (depth >= depth[inside[box]].max())  # smaller than a voxel
            if mass.radius > 4.0 and g.random() < 0.75:
                inner = paint_body(g, head, box, core)
            else:
                inner = np.full(core.shape, ENHANCING, np.uint8)
            parts[box][core] = inner[core]
            start[box][core] = most - reach
        return add_oedema(g, head, parts, most, start)


class Meningioma:
    """A smooth body on the dura, outside of the brain that it pushes in; it enhances, as does the dura next to it."""

    def __init__(self, generator: np.random.Generator, maps: BrainMaps) -> None:
        self.generator = generator
        place = random_place(generator, maps, hindbrain=0.1, least_depth_mm=2.0)
        radius = generator.triangular(8.0, 19.0, 32.0)
        self.mass = Mass(
            generator, _at_surface(maps, place, 0.45 * radius), radius, push=generator.uniform(0.5, 0.9), roughness=0.05
        )
        self.reach = max(0.0, generator.uniform(-4.0, 14.0))
        self.tail_mm = generator.uniform(0.0, 14.0)
        self.solid = generator.random() < 0.2  # calcified: hardly enhances inside

    def push_away(self, place: np.ndarray) -> np.ndarray:
        """Return where the tissue at places (3, x, y, z) of the atlas was before the tumour grew."""
        return self.mass.push_away(place)

    def paint(self, head: Head) -> Lesion:
        """Paint it into a head."""
        g, parts, inside = self.generator, np.zeros(head.grid.shape, np.uint8), brain_of(head)
        box, depth = self.mass.depth(head, margin_mm=self.tail_mm)
        side = head.side[box] * np.sign(self.mass.centre[0]) > -0.5
        core = bodies((depth > 0) & inside[box] & side)
        inner = np.full(core.shape, ENHANCING, np.uint8)
        inwards = ndimage.distance_transform_edt(core, sampling=head.grid.spacing)
        if self.solid:
            inner[inwards > g.uniform(2.0, 6.0)] = SOLID
        elif g.random() < 0.25:
            inner[(octaves(g, head.grid.box(box), 6.0) > 1.2) & (inwards > 3.0)] = NECROSIS
        parts[box][core] = inner[core]
        tail = (
            (depth > -self.tail_mm)
            & (head.depth[box] < max(1.5, 0.8 * head.grid.spacing[0]))
            & inside[box]
            & side
            & ~core
        )
        parts[box][tail] = ENHANCING
        return add_oedema(g, head, parts, self.reach)


class TreatedGlioma(HighGradeGlioma):
    """A cavity where the tumour was, with remains that enhance, and a broad bright seam in FLAIR."""

    radius_mm = (12.0, 20.0, 32.0)
    satellites = 0.15

    def _inner(self, head: Head, box: tuple[slice, ...], core: np.ndarray, mass: Mass) -> np.ndarray:
        if mass is not self.main:
            return super()._inner(head, box, core, mass)
        g, grid = self.generator, head.grid.box(box)
        inwards = ndimage.distance_transform_edt(core, sampling=grid.spacing)
        seam = g.uniform(1.0, 3.5) * np.exp(0.5 * octaves(g, grid, 8.0))
        inner = np.full(core.shape, CAVITY, np.uint8)
        inner[inwards < seam] = OEDEMA if g.random() < 0.6 else SOLID
        remains = octaves(g, grid, 9.0) > g.uniform(-0.2, 1.8)
        inner[remains & (inwards < seam + g.uniform(0.5, 5.0))] = ENHANCING
        return inner


def _at_surface(maps: BrainMaps, place: np.ndarray, depth_mm: float) -> np.ndarray:
    """Move a place (3,) of the atlas out along the shortest way until it is so deep below the surface."""
    coarse = maps.distance
    gradient = np.stack(np.gradient(coarse.values[0]))
    for _ in range(60):
        index = np.clip(
            np.rint((place - coarse.first_mm) / coarse.spacing_mm).astype(int), 0, np.array(coarse.values.shape[1:]) - 1
        )
        if coarse.values[(0, *index)] <= depth_mm:
            break
        step = gradient[(slice(None), *index)]
        place = place - 1.5 * step / max(1e-3, float(np.linalg.norm(step)))
    return place


# how often each is painted; the names are those that the option `tumours` takes
LESIONS = {
    "high_grade": HighGradeGlioma,
    "low_grade": LowGradeGlioma,
    "metastases": BrainMetastases,
    "meningioma": Meningioma,
    "treated": TreatedGlioma,
}
SHARES = {"high_grade": 0.52, "low_grade": 0.27, "metastases": 0.08, "meningioma": 0.05, "treated": 0.08}
