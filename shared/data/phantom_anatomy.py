"""The painted head behind a phantom: what lies where, as functions of world coordinates, on no grid.

Lengths are millimetres; x points to the right, y to the front, z upwards, and the middle of the head is the origin.
Depths are positive inside a structure, negative outside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

__all__ = ["TISSUES", "Head", "SmoothField"]

TISSUES = ("white", "grey", "fluid", "lesion", "vessel", "oedema", "solid", "necrosis", "enhancing")
KINDS = ("ring", "enhancing", "not enhancing")
REACH_MM = 110.0  # fields are defined within a cube of this half width

RIGHT = np.array((1, 0, 0), np.float32)

# Of the right half; the left is its mirror image until the warp takes the symmetry away.
LATERAL_VENTRICLE = ((9, 30, 8), (8, 8, 15), (12, -16, 17), (22, -38, 8))
TEMPORAL_HORN = ((22, -38, 8), (30, -22, -10), (30, -6, -16))
MIDDLE_VENTRICLES = ((0, 8, -4), (0, -16, 0), (0, -32, -36))
SYLVIAN_FISSURE = ((56, 10, -8), (40, 8, -3), (38, -10, 5), (46, -28, 12))
DEEP_GREY = (((11, -10, 3), (8, 13, 9)), ((24, 6, 2), (6, 17, 10)), ((14, 20, 8), (4, 9, 9)))  # centre, semi-axes


class SmoothField:
    """A smooth random function of place, mean 0, standard deviation about 1: quadratic B-splines on a lattice of noise.

    Args:
        generator: source of the lattice's values.
        detail_mm: distance of the lattice's points; waves are about three times as long.
    """

    def __init__(self, generator: np.random.Generator, detail_mm: float) -> None:
        self.detail_mm = detail_mm
        width = 2 * int(np.ceil(REACH_MM / detail_mm)) + 5
        spread = 0.55**1.5  # of noise weighted with the splines: 11/20 per axis, the mean of their squares' sum
        self.lattice = generator.standard_normal((width,) * 3, dtype=np.float32) / spread

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the values (N,) at points (N, 3)."""
        places = points.T / self.detail_mm + (self.lattice.shape[0] - 1) / 2
        return ndimage.map_coordinates(self.lattice, places, order=2, prefilter=False, mode="mirror", output=np.float32)


class Head:
    """One head with a tumour; every property is drawn from the generator when it is made.

    Args:
        generator: source of all that differs between heads.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.size = generator.uniform(0.95, 1.03, 3)
        self.turn = _rotation(generator.normal(0.0, 0.06, 3))
        self.warp = [SmoothField(generator, 24.0) for _ in range(3)]
        self.folds = SmoothField(generator, 6.5)
        self.ventricle_mm = generator.uniform(3.5, 7.5)
        self.sulcus_width = generator.uniform(0.10, 0.25)
        self.vessels = [_wandering_line(generator) for _ in range(5)]
        self.lesions = [_lesion(generator) for _ in range(generator.integers(2, 7))]
        self.tumour = Tumour(generator)

    def paint(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Say what is at world coordinates (N, 3).

        Returns:
            brain (N,), true inside; the skull is stripped. For the K points inside: shares of `TISSUES` (K, 9),
            summing to one, with soft edges; and the annotators' label (K,), cut hard through these edges:
            0 background, 1 necrosis or non-enhancing, 2 oedema, 3 enhancing.
        """
        head = (points @ self.turn / self.size).astype(np.float32)
        plan = self._plan_coordinates(head)
        depth = _brain_depth(plan)
        brain = depth > 0
        head, plan, depth = head[brain], plan[brain], depth[brain]
        shares = np.zeros((len(head), len(TISSUES)), dtype=np.float32)
        shares[:, TISSUES.index("white")] = 1.0
        self._paint_grey(shares, plan, depth)
        self._paint_fluid(shares, plan, depth)
        self._paint_lesions(shares, head)
        label = self.tumour.paint(shares, head)
        for line in self.vessels:
            _cover(shares, "vessel", 1.6 - _distance_to_line(plan, line), edge_mm=0.7)
        return brain, shares, label

    def _plan_coordinates(self, head: np.ndarray) -> np.ndarray:
        """Undo what makes this brain differ from the plan: irregular growth, and the tumour's pushing."""
        return self.tumour.push_back(head) + 2.5 * np.stack([field(head) for field in self.warp], axis=1)

    def _paint_grey(self, shares: np.ndarray, plan: np.ndarray, depth: np.ndarray) -> None:
        """Cortex along the surface and the folds, stripes in the cerebellum, nuclei."""
        ribbon = np.maximum(5.5 - depth, np.minimum((0.65 - np.abs(self.folds(plan))) * 8.0, 17.0 - depth))
        stripes = np.where(_brainstem_depth(plan) > 0, -4.0, 8.0 - depth + 2.5 * np.cos(plan[:, 2]))
        _cover(shares, "grey", np.where(_in_cerebrum(plan), ribbon, stripes), edge_mm=1.2)
        for centre, axes in DEEP_GREY:
            _cover(shares, "grey", _ellipsoid_depth(_right_half(plan), centre, axes), edge_mm=1.0)

    def _paint_fluid(self, shares: np.ndarray, plan: np.ndarray, depth: np.ndarray) -> None:
        """Sulci, the cleft between the halves, and the ventricles."""
        half, wide = _right_half(plan), self.ventricle_mm
        sulci = np.minimum((self.sulcus_width - np.abs(self.folds(plan))) * 8.0, 13.0 - depth)
        cleft = np.minimum(1.4 - half[:, 0], np.maximum(plan[:, 2] - 22.0, np.abs(plan[:, 1]) - 42.0))
        spaces = [
            1.0 - depth,
            np.where(_in_cerebrum(plan), np.maximum(sulci, cleft), -9.0),
            2.2 - _distance_to_line(half, SYLVIAN_FISSURE),
            wide - _distance_to_line(half, LATERAL_VENTRICLE),
            0.35 * wide - _distance_to_line(half, TEMPORAL_HORN),
            0.5 * wide - _distance_to_line(plan, MIDDLE_VENTRICLES),
        ]
        _cover(shares, "fluid", np.maximum.reduce(spaces), edge_mm=0.8)

    def _paint_lesions(self, shares: np.ndarray, head: np.ndarray) -> None:
        """Bright spots of the white matter in FLAIR, as ageing brings them: no tumour, and not in the label."""
        white, edge = shares[:, TISSUES.index("white")].copy(), 2.0 * self.folds(head)
        for centre, axes in self.lesions:
            _cover(shares, "lesion", _ellipsoid_depth(head, centre, axes) + edge, edge_mm=1.5, within=white)


class Tumour:
    """A tumour: a core of one to three balls with a rough surface, whose outer layer may enhance, within oedema.

    Args:
        generator: source of all that differs between tumours.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.side, self.radius = generator.choice((-1.0, 1.0)), generator.uniform(13.0, 20.0)
        centre = generator.uniform((22, -36, -8), (34, 36, 28)) * (self.side, 1, 1)
        further = generator.normal(0.0, 0.5 * self.radius, (generator.integers(0, 3), 3))
        self.centres = [centre, *(centre + further)]
        self.radii = [self.radius, *(self.radius * generator.uniform(0.5, 0.85, len(further)))]
        self.shape, self.roughness = SmoothField(generator, 9.0), SmoothField(generator, 4.5)
        self.spread, self.fingers = SmoothField(generator, 11.0), SmoothField(generator, 5.0)
        self.rim, self.disagreement = SmoothField(generator, 7.0), SmoothField(generator, 8.0)
        self.kind = generator.choice(KINDS, p=(0.66, 0.17, 0.17))
        self.rim_mm = generator.uniform(2.2, 6.0)
        self.oedema_mm = generator.uniform(6.0, 14.0)
        self.oedema_edge_mm = generator.uniform(2.0, 4.5)
        self.generous_mm = generator.normal(0.0, 0.6)  # how far beyond the others this annotator goes
        self.push_mm = generator.uniform(0.15, 0.35) * self.radius

    def push_back(self, head: np.ndarray) -> np.ndarray:
        """Return where tissue at head coordinates (N, 3) would lie if the tumour did not push it away."""
        away = head - self.centres[0]
        distance = np.linalg.norm(away, axis=1, keepdims=True)
        return head - self.push_mm * away / (distance + self.radius) * np.exp(-((distance / (3 * self.radius)) ** 2))

    def paint(self, shares: np.ndarray, head: np.ndarray) -> np.ndarray:
        """Cover shares (N, 9) with the tumour's tissues, leaving fluid free of oedema, and return the label (N,)."""
        balls = self._ball_depth(head)
        near = balls > -2.0 * self.oedema_mm - 10.0
        painted, head, balls = shares[near], head[near], balls[near]
        fluid, grey = (painted[:, TISSUES.index(name)].copy() for name in ("fluid", "grey"))
        core = balls + 2.5 * self.shape(head) + 1.2 * self.roughness(head)
        rim_mm = self.rim_mm * np.exp(0.45 * self.rim(head))
        oedema = balls + self._oedema_reach(head, grey)
        _cover(painted, "oedema", oedema, self.oedema_edge_mm, within=1.0 - fluid)
        _cover(painted, "solid" if self.kind == "not enhancing" else "enhancing", core, edge_mm=1.0)
        if self.kind == "ring":
            _cover(painted, "necrosis", core - rim_mm, edge_mm=1.0)
        shares[near] = painted
        label = np.zeros(len(shares), np.uint8)
        label[near] = self._label(core, rim_mm, np.where(fluid < 0.5, oedema, -np.inf), head)
        return label

    def _ball_depth(self, head: np.ndarray) -> np.ndarray:
        balls = zip(self.centres, self.radii, strict=True)
        return np.maximum.reduce([radius - np.linalg.norm(head - centre, axis=1) for centre, radius in balls])

    def _oedema_reach(self, head: np.ndarray, grey: np.ndarray) -> np.ndarray:
        """Oedema follows the white matter in fingers, spares the cortex, and hardly crosses the midline."""
        reach = self.oedema_mm * (1.0 + 0.8 * np.tanh(0.7 * self.spread(head))) + 1.5 * self.fingers(head)
        return reach - 4.0 * grey - np.maximum(0.0, -self.side * head[:, 0])

    def _label(self, core: np.ndarray, rim_mm: np.ndarray, oedema: np.ndarray, head: np.ndarray) -> np.ndarray:
        """Draw the borders as one annotator would, who is generous here and cautious there."""
        shift = self.generous_mm + 0.7 * self.disagreement(head)
        label = np.where(oedema + 1.3 * shift > 0, 2, 0)
        inside = core + 0.6 * shift > 0
        label[inside] = 1 if self.kind == "not enhancing" else 3
        if self.kind == "ring":
            label[inside & (core > rim_mm)] = 1
        return label


def _cover(shares, tissue: str, depth: np.ndarray, edge_mm: float, within: np.ndarray | float = 1.0) -> None:
    """Put a tissue over what is there, with a soft edge around depth 0."""
    opaque = within / (1.0 + np.exp(np.clip(-depth / (0.5 * edge_mm), -30.0, 30.0)))
    shares *= (1.0 - opaque)[:, None]
    shares[:, TISSUES.index(tissue)] += opaque


def _ellipsoid_depth(
    points: np.ndarray, centre: Sequence[float], axes: Sequence[float], power: float = 2.0
) -> np.ndarray:
    radius = (np.abs((points - np.asarray(centre, np.float32)) / np.asarray(axes, np.float32)) ** power).sum(1) ** (
        1 / power
    )
    return (1.0 - radius) * min(axes)


def _cerebrum_depth(place: np.ndarray) -> np.ndarray:
    lower = place[:, 2] < 0
    stretched = place.copy()
    stretched[:, 2] *= np.where(lower, 53 / 40, 1.0)
    stretched[:, 0] *= 1.0 + 0.0012 * place[:, 1]  # narrower in front
    notch = 6.0 * np.exp(-((place[:, 0] / 3.0) ** 2))
    return _ellipsoid_depth(stretched, (0, 0, 0), (61, 74, 53), 2.15) - np.where(lower, 0.0, notch)


def _cerebellum_depth(place: np.ndarray) -> np.ndarray:
    return _ellipsoid_depth(place, (0, -42, -33), (46, 28, 21))


def _brainstem_depth(place: np.ndarray) -> np.ndarray:
    return 11.0 - _distance_to_line(place, ((0, -14, -22), (0, -22, -60)))


def _brain_depth(place: np.ndarray) -> np.ndarray:
    return np.maximum.reduce([_cerebrum_depth(place), _cerebellum_depth(place), _brainstem_depth(place)])


def _in_cerebrum(place: np.ndarray) -> np.ndarray:
    return _cerebrum_depth(place) > np.maximum(_cerebellum_depth(place), _brainstem_depth(place))


def _right_half(place: np.ndarray) -> np.ndarray:
    return np.abs(place) * RIGHT + place * (1 - RIGHT)


def _distance_to_line(points: np.ndarray, line: Sequence[Sequence[float]]) -> np.ndarray:
    """Distance of points (N, 3) from a chain of segments."""
    corners, nearest = np.asarray(line, dtype=np.float32), np.full(len(points), np.inf, dtype=np.float32)
    for start, end in zip(corners[:-1], corners[1:], strict=True):
        along = end - start
        share = np.clip((points - start) @ along / (along @ along), 0.0, 1.0)
        nearest = np.minimum(nearest, np.linalg.norm(points - start - share[:, None] * along, axis=1))
    return nearest


def _wandering_line(generator: np.random.Generator) -> np.ndarray:
    """A vessel: five corners from below the middle outwards, kept inside the brain."""
    start = np.array((generator.choice((-1, 1)) * generator.uniform(3, 20), generator.uniform(-30, 20), -20.0))
    outwards = np.array(
        (np.sign(start[0]) * generator.uniform(5, 12), generator.uniform(-9, 9), generator.uniform(4, 13))
    )
    return start + np.cumsum(outwards + generator.normal(0.0, 4.0, (5, 3)), axis=0)


def _lesion(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Centre and semi-axes of a bright spot beside the ventricles."""
    side = generator.choice((-1, 1))
    centre = np.array((side * generator.uniform(16, 34), generator.uniform(-45, 40), generator.uniform(8, 30)))
    return centre, generator.uniform(2.5, 6.5) * generator.uniform(0.7, 1.3, 3)


def _rotation(angles: np.ndarray) -> np.ndarray:
    """Rotation matrix for three angles in radians."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array(((1, 0, 0), (0, cx, -sx), (0, sx, cx)))
    about_y = np.array(((cy, 0, sy), (0, 1, 0), (-sy, 0, cy)))
    return about_x @ about_y @ np.array(((cz, -sz, 0), (sz, cz, 0), (0, 0, 1)))
