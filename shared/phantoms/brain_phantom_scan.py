"""How a painted head looks in each MR modality, on any grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .brain_phantom_anatomy import Head
from .brain_phantom_shapes import TISSUES, SmoothField
from .mr_contrasts import BRAIN_MODALITIES

__all__ = ["paint_case", "upright_affine"]

# tissue: brightness in T1, contrast-enhanced T1, T2, FLAIR, and how much it differs between cases (sd of the logarithm)
BRIGHTNESS = {
    "white": (1.00, 1.00, 0.45, 0.62, 0.02),
    "grey": (0.73, 0.76, 0.66, 0.71, 0.03),
    "fluid": (0.30, 0.30, 1.30, 0.20, 0.08),
    "lesion": (0.85, 0.86, 0.85, 0.98, 0.08),
    "vessel": (0.72, 1.75, 0.33, 0.45, 0.12),
    "oedema": (0.78, 0.79, 0.90, 1.14, 0.07),
    "solid": (0.72, 0.74, 0.95, 0.95, 0.07),
    "necrosis": (0.48, 0.35, 1.12, 0.38, 0.08),
    "enhancing": (0.76, 1.55, 0.78, 0.95, 0.07),
}
WHITE_LEVEL = {"t1": 620.0, "t1ce": 580.0, "t2": 900.0, "flair": 800.0}  # scanner units for brightness 1


def paint_case(
    index: int,
    seed: int = 0,
    size: Sequence[int] = (56, 64, 48),
    affine: np.ndarray | None = None,
    modalities: Sequence[str] = BRAIN_MODALITIES,
    tumours: str = "glioma",
) -> dict[str, np.ndarray]:
    """Paint one phantom: the same head for the same (seed, index), whatever the grid.

    Args:
        index: number of the case.
        seed: number of the data set.
        size: voxels along the three axes.
        affine: (4, 4), voxel to world in millimetres (x right, y front, z up; the brain's middle is the origin); by
            default `upright_affine(size)`.
        modalities: which of `BRAIN_MODALITIES` to paint; each is the same with and without the others.
        tumours: which of `TUMOURS` the head has.

    Returns:
        Each modality, int16, 0 outside the brain and positive inside; "label", uint8: 0 background, 1 necrosis or
        non-enhancing tumour, 2 oedema, 3 enhancing tumour. All of shape `size`.
    """
    affine = upright_affine(size) if affine is None else np.asarray(affine, dtype=float)
    head = Head(np.random.default_rng((seed, index, 0)), tumours)
    points = np.indices(size, dtype=np.float32).reshape(3, -1).T @ np.float32(affine[:3, :3].T) + np.float32(
        affine[:3, 3]
    )
    brain, shares, label = head.paint(points, voxel_mm=abs(np.linalg.det(affine[:3, :3])) ** (1 / 3))
    grain = SmoothField(np.random.default_rng((seed, index, 1)), 4.0)(points[brain])
    painted = {"label": _on_grid(label, brain, size, np.uint8)}
    for name in modalities:
        generator = np.random.default_rng((seed, index, 2 + BRAIN_MODALITIES.index(name)))
        intensity = _scan(name, shares, points[brain], grain, generator)
        painted[name] = _on_grid(np.clip(np.rint(intensity), 1, 32767), brain, size, np.int16)
    return painted


def upright_affine(size: Sequence[int], spacing_mm: Sequence[float] = (2.5, 2.5, 2.5)) -> np.ndarray:
    """Voxel to world (4, 4) as in BraTS: the first axis runs to the left, the second backwards, the third upwards."""
    affine = np.diag([-spacing_mm[0], -spacing_mm[1], spacing_mm[2], 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(size) - 1) / 2)
    return affine


def _scan(
    name: str, shares: np.ndarray, points: np.ndarray, grain: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Scanner units (N,) of one modality: tissues and their grain, seen by an uneven coil, with noise."""
    table = np.array([BRIGHTNESS[tissue] for tissue in TISSUES])
    level = table[:, BRAIN_MODALITIES.index(name)] * np.exp(table[:, -1] * generator.standard_normal(len(TISSUES)))
    place = points / 70.0
    coil = np.exp(place @ generator.normal(0.0, 0.12, 3) + place**2 @ generator.normal(0.0, 0.12, 3))
    signal = (shares @ level) * coil * (1.0 + generator.uniform(-0.06, 0.06) * grain)
    noise = generator.uniform(0.02, 0.04) * generator.standard_normal((2, len(points)))
    gain = WHITE_LEVEL[name] * generator.uniform(0.7, 1.4)
    return gain * np.hypot(signal + noise[0], noise[1])  # magnitude images have Rician noise


def _on_grid(values: np.ndarray, brain: np.ndarray, size: Sequence[int], dtype: type) -> np.ndarray:
    grid = np.zeros(len(brain), dtype)
    grid[brain] = values
    return grid.reshape(size)
