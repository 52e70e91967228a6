"""Painted metastases in a phantom's head: several, small, with little oedema."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .brain_phantom_shapes import Canvas, SmoothField, cover, distance_to_point

__all__ = ["Metastases"]

NECROTIC_FROM_MM = 4.0  # radius from which the middle is necrotic


class Metastasis(NamedTuple):
    """One ball.

    Attributes:
        centre: (3,), in the head's coordinates.
        radius: of the enhancing ball; like all lengths in millimetres.
        rim_mm: what of it is not necrotic, from outside, if it is large.
        oedema_mm: width of the oedema around it.
    """

    centre: np.ndarray
    radius: float
    rim_mm: float
    oedema_mm: float


class Metastases:
    """Four to ten enhancing balls of 3 to 10 mm across, somewhere in the cerebrum; the largest are necrotic inside.

    Args:
        generator: source of all that differs between cases.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        number = generator.integers(4, 11)
        centres, radii = _places(generator, number), generator.uniform(1.5, 5.0, number)
        radii[0] = generator.uniform(4.0, 5.0)  # so that every case has some tumour on a coarse grid as well
        rims_mm, oedemas_mm = generator.uniform(2.8, 3.8, number), generator.uniform(0.0, 2.5, number)
        self.balls = [Metastasis(*ball) for ball in zip(centres, radii, rims_mm, oedemas_mm, strict=True)]
        self.generous_mm = generator.normal(0.0, 0.3)  # how far beyond the others this case's annotator goes
        self.roughness, self.spread = SmoothField(generator, 5.0), SmoothField(generator, 6.0)

    def push_back(self, head: np.ndarray) -> np.ndarray:
        """Return where tissue at head coordinates (N, 3) would lie without them: there, they push nothing away."""
        return head

    def paint(self, canvas: Canvas, head: np.ndarray) -> np.ndarray:
        """Paint them at head coordinates (N, 3) and return the label (N,)."""
        label = np.zeros(len(head), np.uint8)
        for ball in self.balls:
            depth = np.float32(ball.radius) - distance_to_point(head, ball.centre)
            near = depth > -3.0 * ball.oedema_mm - 4.0
            part = Canvas(canvas.shares[near], canvas.voxel_mm)
            drawn = self._paint_ball(part, head[near], depth[near], ball)
            canvas.shares[near] = part.shares
            label[near] = np.where(drawn != 0, drawn, label[near])
        return label

    def _paint_ball(self, part: Canvas, head: np.ndarray, depth: np.ndarray, ball: Metastasis) -> np.ndarray:
        core = depth + 0.4 * self.roughness(head)
        oedema = core + ball.oedema_mm * (1.0 + 0.5 * np.tanh(self.spread(head)))
        oedema[part.share("fluid") >= 0.5] = -np.inf
        necrosis = core - ball.rim_mm if ball.radius >= NECROTIC_FROM_MM else np.full(len(core), -np.inf)
        cover(part, "oedema", oedema, edge_mm=1.0)
        cover(part, "enhancing", core, edge_mm=0.7)
        cover(part, "necrosis", necrosis, edge_mm=0.7)
        return np.select([necrosis > 0, core + self.generous_mm > 0, oedema + self.generous_mm > 0], [1, 3, 2], 0)


def _places(generator: np.random.Generator, number: int) -> np.ndarray:
    """Draw centres (number, 3) in the cerebrum, below the cortex, on both sides."""
    inside = generator.normal(size=(number, 3))
    inside *= (generator.uniform(0.3, 0.8, number) / np.linalg.norm(inside, axis=1))[:, None]
    return np.float32(inside * (55, 65, 40) + (0, 0, 8))
