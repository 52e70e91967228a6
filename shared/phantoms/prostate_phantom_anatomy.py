"""Where a painted pelvis has its tissues: gland with two zones, bladder, rectum, muscles, bones.

Lengths are millimetres; x points to the patient's right, y to the front, z to the head. Points are (N, 3).
"""

from __future__ import annotations

import numpy as np

from .brain_phantom_shapes import (
    Canvas,
    SmoothField,
    cover,
    distance_to_line,
    distance_to_point,
    ellipsoid_depth,
    rotation,
)

__all__ = ["TISSUES", "Pelvis"]

TISSUES = (
    *("fat", "muscle", "marrow", "cortex", "vein", "fluid", "wall", "content", "gas", "vesicle"),
    *("peripheral", "transition", "stroma", "glandular_nodule", "stromal_nodule", "capsule", "lesion"),
)
PERIPHERAL, TRANSITION = 1, 2


class Pelvis:
    """A pelvis drawn from a generator, as a function of place.

    Sizes follow label maps of patients: the gland is 35 to 75 mm wide and 30 to 70 mm high, and the transition zone
    has about a half to nine tenths of it.

    Args:
        generator: source of all that differs between patients.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.random = generator
        self.enlarged = generator.beta(1.6, 1.8)  # 0: a young man's gland, 1: a large transition zone
        growth = 1 + 0.45 * self.enlarged
        self.axes = np.array([22.0, 16.0, 19.0]) * growth * generator.uniform(0.92, 1.1, 3)
        self.centre = generator.normal(0.0, (3.0, 5.0, 3.0))
        self.turn = rotation(np.radians(generator.normal(0.0, (9.0, 3.0, 3.0))))
        self.zone_scale = 0.70 + 0.23 * self.enlarged
        self.lobe_shift = generator.uniform(0.10, 0.22)
        self.surface = SmoothField(generator, 7.0)
        self.zone_surface = SmoothField(generator, 5.0)
        self.lesions = self._drawn_lesions()
        self.nodules = self._drawn_nodules()
        self.rectum_radius = generator.uniform(8.0, 15.0)
        self.has_gas = generator.random() < 0.5
        self.rectum = self._drawn_rectum()
        self.bladder = generator.uniform((24.0, 18.0, 14.0), (38.0, 30.0, 34.0))
        self.sides = generator.uniform(0.92, 1.08, 6)  # of what lies around, so that no two pelves are alike

    def _drawn_lesions(self) -> list[tuple[np.ndarray, float]]:
        """Return centre, in units of the gland's axes, and radius of every lesion; most are in the peripheral zone."""
        lesions = []
        for _ in range(self.random.choice(3, p=(0.4, 0.4, 0.2))):
            side = self.random.choice((-1.0, 1.0))
            centre = side * self.random.uniform(0.25, 0.65), self.random.uniform(-0.75, -0.45), 0.0
            if self.random.random() < 0.3:
                centre = side * self.random.uniform(0.1, 0.4), self.random.uniform(0.1, 0.5), 0.0
            lesions.append((np.array([*centre[:2], self.random.uniform(-0.5, 0.4)]), self.random.uniform(3.0, 7.5)))
        return lesions

    def _drawn_nodules(self) -> list[tuple[np.ndarray, float, str]]:
        number = 2 + self.random.poisson(7 * self.enlarged)
        nodules = []
        for _ in range(number):
            centre = self.random.uniform(-0.6, 0.6, 3) * self.zone_scale + self._zone_centre()
            tissue = "glandular_nodule" if self.random.random() < 0.5 else "stromal_nodule"
            nodules.append((centre, self.random.uniform(2.0, 4.0 + 5.0 * self.enlarged), tissue))
        return nodules

    def _drawn_rectum(self) -> np.ndarray:
        """Return a curve of points behind the gland."""
        heights = np.array([-70.0, -25.0, 0.0, 25.0, 70.0])
        behind = self.centre[1] - self.axes[1] - self.rectum_radius - 4.0
        bend = np.array([16.0, 2.0, 0.0, -2.0, -16.0]) + self.random.normal(0.0, 1.5, 5)
        return np.column_stack([self.centre[0] + self.random.normal(0.0, 3.0, 5), behind + bend, heights])

    def _zone_centre(self) -> np.ndarray:
        """Return the transition zone's centre in units of the gland's axes: to the front and to the base."""
        return np.array([0.0, 0.80, 0.55]) * (1 - self.zone_scale)

    def depths(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the depth in the gland and in its transition zone, (N,) each, negative outside."""
        own = self._own(points)
        outside = (1 - _length(own)) * np.float32(self.axes.min())
        gland, zone = outside.copy(), outside.copy()
        near = np.flatnonzero(outside > -0.4 * self.axes.min())
        own, points = own[near], points[near]
        level = np.clip(own[:, 2], -1.2, 1.2)
        shape = own / np.column_stack([1 + 0.20 * level, 1 + 0.12 * level, np.ones_like(level)])  # narrow at the apex
        notch = 0.14 * np.exp(-((own[:, 0] / 0.35) ** 2)) * (own[:, 1] < 0)  # at the middle of the back
        gland[near] = (1 - _length(shape) - notch) * self.axes.min() + 0.9 * self.surface(points)
        lobes = []
        for side in (-1, 1):
            centre = self._zone_centre() + np.array([side * self.lobe_shift * self.zone_scale, 0.0, 0.0])
            spread = self.zone_scale * np.array([1 - 0.5 * self.lobe_shift, 1.0, 1.0])
            lobes.append(1 - _length((shape - np.float32(centre)) / np.float32(spread)))
        zone[near] = np.maximum(*lobes) * self.axes.min() * self.zone_scale + 0.8 * self.zone_surface(points)
        return gland, zone

    def _own(self, points: np.ndarray) -> np.ndarray:
        """Return points in the gland's own axes, in units of its half-axes."""
        return (points - np.float32(self.centre)) @ np.float32(self.turn / self.axes)

    def _place(self, own: np.ndarray) -> np.ndarray:
        """Return the place of a point given in units of the gland's half-axes."""
        return (own * self.axes) @ self.turn.T + self.centre

    def paint(self, points: np.ndarray, voxel_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the shares of `TISSUES` (N, number of tissues) and the classes (N,), uint8: 0, 1 PZ, 2 TZ."""
        canvas = Canvas.of_one(TISSUES, "fat", len(points), voxel_mm)
        self._paint_surroundings(canvas, points)
        gland, zone = self.depths(points)
        _lay(canvas, "capsule", gland + 0.8, 0.8)
        _lay(canvas, "peripheral", gland, 0.8)
        inside = 1 / (1 + np.exp(np.clip(-2.5 * gland, -30, 30)))
        _lay(canvas, "capsule", zone + 0.5, 0.8, within=inside)
        _lay(canvas, "transition", zone, 0.8, within=inside)
        self._paint_inside(canvas, points, zone, inside)
        label = np.where(gland > 0, np.where(zone > 0, TRANSITION, PERIPHERAL), 0).astype(np.uint8)
        return canvas.shares, label

    def _paint_inside(self, canvas: Canvas, points: np.ndarray, zone: np.ndarray, inside: np.ndarray) -> None:
        in_zone = inside / (1 + np.exp(np.clip(-2.5 * zone, -30, 30)))
        own = self._own(points)
        front = ellipsoid_depth(own, (0.0, 0.85, 0.0), (0.45, 0.28, 0.9)) * self.axes[1]
        _lay(canvas, "stroma", front, 1.5, within=inside)
        for centre, radius, tissue in self.nodules:
            distance = distance_to_point(points, self._place(centre))
            _lay(canvas, "capsule", radius + 0.6 - distance, 0.6, within=in_zone)
            _lay(canvas, tissue, radius - distance, 0.8, within=in_zone)
        for centre, radius in self.lesions:
            _lay(canvas, "lesion", radius - distance_to_point(points, self._place(centre)), 1.5, within=0.9 * inside)

    def _paint_surroundings(self, canvas: Canvas, points: np.ndarray) -> None:
        (x, y, z), (wide, deep, high), sides = self.centre, self.axes, self.sides
        for side in (-1, 1):
            place = (x + side * (wide + 24) * sides[0], y + 4, z - 4)
            _lay(canvas, "muscle", ellipsoid_depth(points, place, (11 * sides[1], 34, 60)), 1.5)
            place = (x + side * 15 * sides[2], y + deep + 27 * sides[3], z - 8)
            bone = ellipsoid_depth(points, place, (12, 14 * sides[4], 22))
            _lay(canvas, "cortex", bone, 1.0)
            _lay(canvas, "marrow", bone - 2.0, 1.0)
            femur = ellipsoid_depth(points, (x + side * 92 * sides[5], y + 8, z + 10), (24, 24, 24))
            _lay(canvas, "cortex", femur, 1.0)
            _lay(canvas, "marrow", femur - 2.0, 1.0)
            bundle = distance_to_point(points, (x + side * 0.75 * wide, y - 0.85 * deep - 2, z))
            _lay(canvas, "vein", 2.5 - bundle, 1.0)
            vesicle = ellipsoid_depth(points, (x + side * 15, y - 0.75 * deep, z + high + 5), (15, 5, 7))
            _lay(canvas, "vesicle", vesicle, 1.0)
        shell = ellipsoid_depth(points, (x, y - 3, z - 12), (wide + 8, deep + 14, high + 14))
        _lay(canvas, "muscle", 1.8 - np.abs(shell), 0.8, within=(points[:, 2] < z + 4).astype(float))
        _lay(canvas, "vein", ellipsoid_depth(points, (x, y + deep + 5, z - 4), (14, 4, 14)), 1.5)
        bladder = ellipsoid_depth(points, (x, y + 8, z + high + self.bladder[2] - 4), self.bladder)
        _lay(canvas, "wall", bladder, 0.8)
        _lay(canvas, "fluid", bladder - 3.0, 0.8)
        rectum = self.rectum_radius - distance_to_line(points, self.rectum)
        _lay(canvas, "wall", rectum, 0.8)
        _lay(canvas, "gas" if self.has_gas else "content", rectum - 3.0, 0.8)


def _lay(canvas: Canvas, tissue: str, depth: np.ndarray, edge_mm: float, within: np.ndarray | float = 1.0) -> None:
    """Do what `cover` does, at the points that the tissue reaches."""
    rows = np.flatnonzero((depth > -5 * np.hypot(edge_mm, 0.7 * canvas.voxel_mm)) & (np.asarray(within) > 1e-3))
    part = Canvas(canvas.shares[rows], canvas.voxel_mm, canvas.tissues)
    cover(part, tissue, depth[rows], edge_mm, within[rows] if isinstance(within, np.ndarray) else within)
    canvas.shares[rows] = part.shares


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
