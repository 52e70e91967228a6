"""The painted tumour in a phantom's head, and how an annotator would have drawn it."""

from __future__ import annotations

import numpy as np

from .brain_phantom_shapes import Canvas, SmoothField, cover, distance_to_point

__all__ = ["ThinRimTumour", "Tumour"]

KINDS = {"ring": 0.66, "enhancing": 0.17, "not enhancing": 0.17}  # how the core looks, and how often


class Tumour:
    """A core of one to three balls with a rough surface, whose outer layer may enhance, within oedema.

    Args:
        generator: source of all that differs between tumours.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.side, self.radius = generator.choice((-1.0, 1.0)), generator.uniform(15.0, 23.0)
        centre = generator.uniform((22, -36, -8), (34, 36, 28)) * (self.side, 1, 1)
        further = generator.normal(0.0, 0.5 * self.radius, (generator.integers(0, 3), 3))
        self.centres = [centre, *(centre + further)]
        self.radii = [self.radius, *(self.radius * generator.uniform(0.5, 0.85, len(further)))]
        self.kind = generator.choice(list(KINDS), p=list(KINDS.values()))
        self.rim_mm, self.rim_variation = generator.uniform(2.2, 6.0), 0.45
        self.oedema_mm = generator.uniform(7.0, 17.0)
        self.oedema_edge_mm = generator.uniform(2.0, 4.5)
        self.push_mm = generator.uniform(0.15, 0.35) * self.radius
        self.generous_mm = generator.normal(0.0, 0.4)  # how far beyond the others this case's annotator goes
        self.shape, self.roughness = SmoothField(generator, 10.0), SmoothField(generator, 5.0)
        self.spread, self.fingers = SmoothField(generator, 13.0), SmoothField(generator, 6.0)
        self.rim, self.disagreement = SmoothField(generator, 7.0), SmoothField(generator, 8.0)

    def push_back(self, head: np.ndarray) -> np.ndarray:
        """Return where tissue at head coordinates (N, 3) would lie if the tumour did not push it away."""
        away, distance = head - np.float32(self.centres[0]), distance_to_point(head, self.centres[0])
        pushed = self.push_mm / (distance + self.radius) * np.exp(-((distance / (3.0 * self.radius)) ** 2))
        return head - pushed[:, None] * away

    def paint(self, canvas: Canvas, head: np.ndarray) -> np.ndarray:
        """Paint the tumour at head coordinates (N, 3) and return the label (N,)."""
        balls = self._ball_depth(head)
        near = balls > -2.0 * self.oedema_mm - 12.0  # no oedema beyond
        head, balls, part = head[near], balls[near], Canvas(canvas.shares[near], canvas.voxel_mm)
        fluid = part.share("fluid")
        core = balls + 2.5 * self.shape(head) + 0.8 * self.roughness(head)
        rim_mm = self.rim_mm * np.exp(self.rim_variation * self.rim(head))
        oedema = balls + self._oedema_reach(head, part.share("grey"))
        cover(part, "oedema", oedema, self.oedema_edge_mm, within=1.0 - fluid)
        cover(part, "solid" if self.kind == "not enhancing" else "enhancing", core, edge_mm=1.0)
        if self.kind == "ring":
            cover(part, "necrosis", core - rim_mm, edge_mm=1.0)
        canvas.shares[near] = part.shares
        label = np.zeros(len(near), np.uint8)
        label[near] = self._label(core, rim_mm, np.where(fluid < 0.5, oedema, -np.inf), head)
        return label

    def _ball_depth(self, head: np.ndarray) -> np.ndarray:
        balls = zip(self.centres, self.radii, strict=True)
        return np.maximum.reduce([np.float32(radius) - distance_to_point(head, centre) for centre, radius in balls])

    def _oedema_reach(self, head: np.ndarray, grey: np.ndarray) -> np.ndarray:
        """Oedema follows the white matter in fingers, spares the cortex, and hardly crosses the midline."""
        reach = self.oedema_mm * (1.0 + 0.8 * np.tanh(0.7 * self.spread(head))) + 1.2 * self.fingers(head)
        return reach - 2.5 * grey - np.maximum(0.0, -self.side * head[:, 0])

    def _label(self, core: np.ndarray, rim_mm: np.ndarray, oedema: np.ndarray, head: np.ndarray) -> np.ndarray:
        """Cut hard through the soft edges, as one annotator would who is generous here and cautious there."""
        shift = self.generous_mm + 0.5 * self.disagreement(head)
        label = np.where(oedema + 1.3 * shift > 0, 2, 0)
        inside = core + 0.6 * shift > 0
        label[inside] = 1 if self.kind == "not enhancing" else 3
        if self.kind == "ring":
            label[inside & (core > rim_mm)] = 1
        return label


class ThinRimTumour(Tumour):
    """The tumour that `Tumour` would be, but always a ring, whose rim is thin: one to two voxels of 2.5 mm."""

    def __init__(self, generator: np.random.Generator) -> None:
        super().__init__(generator)
        self.kind = "ring"
        self.rim_mm, self.rim_variation = generator.uniform(2.5, 4.0), 0.15
