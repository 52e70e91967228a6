"""The painted head behind a phantom: what lies where, as a function of world coordinates, on no grid.

Millimetres; x points to the right, y to the front, z upwards, and the middle of the brain is the origin.
"""

from __future__ import annotations

import numpy as np

from .brain_phantom_metastases import Metastases
from .brain_phantom_shapes import Canvas, SmoothField, cover, distance_to_line, ellipsoid_depth, rotation
from .brain_phantom_tumour import ThinRimTumour, Tumour

__all__ = ["TUMOURS", "Head"]

TUMOURS = {"glioma": Tumour, "thin_rims": ThinRimTumour, "metastases": Metastases}

MIRROR = np.float32((0, 1, 1))
# The plan of a brain. What lies right lies left too, until each head's irregular growth takes the symmetry away.
LATERAL_VENTRICLE = ((9, 30, 8), (8, 8, 15), (12, -16, 17), (22, -38, 8))
TEMPORAL_HORN = ((22, -38, 8), (30, -22, -10), (30, -6, -16))
MIDDLE_VENTRICLES = ((0, 8, -4), (0, -16, 0), (0, -32, -36))
SYLVIAN_FISSURE = ((56, 10, -8), (40, 8, -3), (38, -10, 5), (46, -28, 12))
NUCLEI = (((11, -10, 3), (8, 13, 9)), ((24, 6, 2), (6, 17, 10)), ((14, 20, 8), (4, 9, 9)))  # centre, semi-axes


class Head:
    """One head with a tumour; all that differs between heads is drawn from the generator when it is made.

    Args:
        generator: of random numbers.
        tumours: one of `TUMOURS`; the head around them is the same.
    """

    def __init__(self, generator: np.random.Generator, tumours: str = "glioma") -> None:
        self.size = generator.uniform(0.95, 1.03, 3)
        self.turn = rotation(generator.normal(0.0, 0.06, 3))
        self.ventricle_mm = generator.uniform(3.5, 7.5)
        self.sulcus_width = generator.uniform(0.10, 0.25)
        self.vessels = [_vessel(generator) for _ in range(5)]
        self.lesions = [_lesion(generator) for _ in range(generator.integers(2, 7))]
        self.growth = [SmoothField(generator, 24.0) for _ in range(3)]
        self.folds = SmoothField(generator, 6.5)
        self.tumour = TUMOURS[tumours](generator)

    def paint(self, points: np.ndarray, voxel_mm: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Say what is at world coordinates (N, 3).

        Args:
            points: centres of voxels, in millimetres.
            voxel_mm: their edge, in millimetres.

        Returns:
            brain (N,), true inside (the skull is stripped); and for the K points inside it: the shares of
            `TISSUES` (K, 9), summing to one, and the annotator's label (K,): 0 background, 1 necrosis or
            non-enhancing, 2 oedema, 3 enhancing.
        """
        head = points @ np.float32(self.turn / self.size)
        grown = 2.0 * np.stack([field(head) for field in self.growth], axis=1)
        plan = self.tumour.push_back(head) + grown
        cerebrum, hindbrain = _cerebrum_depth(plan), np.maximum(_cerebellum_depth(plan), _brainstem_depth(plan))
        depth = np.maximum(cerebrum, hindbrain)
        brain = depth > 0
        head, plan, depth, in_cerebrum = (part[brain] for part in (head, plan, depth, cerebrum > hindbrain))
        canvas = Canvas.of_white_matter(len(head), voxel_mm)
        folds = np.abs(self.folds(plan))
        self._paint_grey(canvas, plan, depth, np.where(in_cerebrum, folds, np.inf))
        self._paint_fluid(canvas, plan, depth, np.where(in_cerebrum, folds, np.inf))
        self._paint_lesions(canvas, head, folds)
        label = self.tumour.paint(canvas, head)
        for line in self.vessels:
            cover(canvas, "vessel", 1.6 - distance_to_line(plan, line), edge_mm=0.7)
        return brain, canvas.shares, label

    def _paint_grey(self, canvas: Canvas, plan: np.ndarray, depth: np.ndarray, folds: np.ndarray) -> None:
        """Cortex along the surface and the folds, stripes in the cerebellum, nuclei."""
        cortex = np.maximum(5.5 - depth, np.minimum((0.65 - folds) * 8.0, 17.0 - depth))
        stripes = np.where(_brainstem_depth(plan) > 0, -4.0, 8.0 - depth + 2.5 * np.cos(plan[:, 2]))
        cover(canvas, "grey", np.where(np.isinf(folds), stripes, cortex), edge_mm=1.2)
        for centre, axes in NUCLEI:
            cover(canvas, "grey", ellipsoid_depth(_right_half(plan), centre, axes), edge_mm=1.0)

    def _paint_fluid(self, canvas: Canvas, plan: np.ndarray, depth: np.ndarray, folds: np.ndarray) -> None:
        """Sulci, the cleft between the halves, and the ventricles."""
        half, wide = _right_half(plan), self.ventricle_mm
        cleft = np.minimum(1.4 - half[:, 0], np.maximum(plan[:, 2] - 22.0, np.abs(plan[:, 1]) - 42.0))
        spaces = [
            1.0 - depth,
            np.minimum((self.sulcus_width - folds) * 8.0, 13.0 - depth),
            np.where(np.isinf(folds), -9.0, cleft),
            2.2 - distance_to_line(half, SYLVIAN_FISSURE),
            wide - distance_to_line(half, LATERAL_VENTRICLE),
            0.35 * wide - distance_to_line(half, TEMPORAL_HORN),
            0.5 * wide - distance_to_line(plan, MIDDLE_VENTRICLES),
        ]
        cover(canvas, "fluid", np.maximum.reduce(spaces), edge_mm=0.8)

    def _paint_lesions(self, canvas: Canvas, head: np.ndarray, folds: np.ndarray) -> None:
        """Bright spots of the white matter in FLAIR, as ageing brings them: no tumour, and not in the label."""
        white = canvas.share("white")
        for centre, axes in self.lesions:
            cover(canvas, "lesion", ellipsoid_depth(head, centre, axes) + 2.0 * folds, edge_mm=1.5, within=white)


def _cerebrum_depth(plan: np.ndarray) -> np.ndarray:
    """Depth in half an egg, narrower in front, flatter below, with a notch between the halves."""
    upper = plan[:, 2] > 0
    egg = plan * np.stack([1.0 + 0.0012 * plan[:, 1], np.ones(len(plan)), np.where(upper, 1.0, 53 / 40)], axis=1)
    notch = 6.0 * np.exp(-((plan[:, 0] / 3.0) ** 2))
    return ellipsoid_depth(egg, (0, 0, 0), (61, 74, 53)) - np.where(upper, notch, 0.0)


def _cerebellum_depth(plan: np.ndarray) -> np.ndarray:
    return ellipsoid_depth(plan, (0, -42, -33), (46, 28, 21))


def _brainstem_depth(plan: np.ndarray) -> np.ndarray:
    return 11.0 - distance_to_line(plan, ((0, -14, -22), (0, -22, -60)))


def _right_half(plan: np.ndarray) -> np.ndarray:
    """Mirror what lies left to the right."""
    return np.maximum(plan, plan * (MIRROR * 2 - 1))


def _vessel(generator: np.random.Generator) -> np.ndarray:
    """Corners (5, 3) of a wandering line, from below the middle outwards and up."""
    side = generator.choice((-1.0, 1.0))
    start = generator.uniform((3, -30, -20), (20, 20, -20))
    step = generator.uniform((5, -9, 4), (12, 9, 13))
    return (start + np.cumsum(step + generator.normal(0.0, 4.0, (5, 3)), axis=0)) * (side, 1, 1)


def _lesion(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Centre and semi-axes of a bright spot beside the ventricles."""
    centre = generator.uniform((16, -45, 8), (34, 40, 30)) * (generator.choice((-1.0, 1.0)), 1, 1)
    return centre, generator.uniform(2.5, 6.5) * generator.uniform(0.7, 1.3, 3)
