"""How a painted pelvis looks in T2 and in the apparent diffusion coefficient (ADC), on any grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .brain_phantom_shapes import SmoothField, distance_to_line
from .prostate_phantom_anatomy import TISSUES, Pelvis

__all__ = ["PROSTATE_MODALITIES", "paint_prostate", "prostate_affine"]

PROSTATE_MODALITIES = ("t2", "adc")
# tissue: brightness in T2; ADC in 1e-6 mm2/s; how much both differ between cases (sd of the logarithm); its diffusion
# signal, in whose absence an ADC is noise
LOOKS = {
    "fat": (1.05, 350, 0.10, 0.15),
    "muscle": (0.30, 1150, 0.10, 0.5),
    "marrow": (0.80, 500, 0.10, 0.2),
    "cortex": (0.12, 300, 0.10, 0.1),
    "vein": (1.30, 1500, 0.10, 0.6),
    "fluid": (2.10, 2900, 0.05, 1.0),
    "wall": (0.45, 1250, 0.10, 0.6),
    "content": (0.60, 900, 0.25, 0.5),
    "gas": (0.05, 200, 0.10, 0.05),
    "vesicle": (1.45, 1750, 0.15, 0.9),
    "peripheral": (1.40, 1850, 0.10, 1.0),
    "transition": (0.75, 1280, 0.08, 0.9),
    "stroma": (0.32, 1000, 0.10, 0.7),
    "glandular_nodule": (1.25, 1580, 0.12, 0.9),
    "stromal_nodule": (0.50, 1080, 0.10, 0.8),
    "capsule": (0.35, 1150, 0.08, 0.7),
    "lesion": (0.55, 760, 0.12, 0.9),
}
T2_LEVEL = 260.0  # scanner units for brightness 1
ADC_BLUR_MM = 2.0  # edge of a voxel of the diffusion images


def paint_prostate(
    index: int,
    seed: int = 0,
    size: Sequence[int] = (128, 128, 20),
    affine: np.ndarray | None = None,
    modalities: Sequence[str] = PROSTATE_MODALITIES,
) -> dict[str, np.ndarray]:
    """Paint one phantom: the same pelvis for the same (seed, index), whatever the grid.

    Args:
        index: number of the case.
        seed: number of the data set.
        size: voxels along the three axes.
        affine: (4, 4), voxel to world in millimetres (x right, y front, z up; the gland is near the origin); by
            default `prostate_affine(size)`.
        modalities: which of `PROSTATE_MODALITIES` to paint; each is the same with and without the other.

    Returns:
        "t2", int16, and "adc", int16, in 1e-6 mm2/s; "label", uint8: 0 background, 1 peripheral, 2 transition zone. All
        of shape `size`.
    """
    affine = prostate_affine(size) if affine is None else np.asarray(affine, dtype=float)
    pelvis = Pelvis(np.random.default_rng((seed, index, 0)))
    points = np.indices(size, dtype=np.float32).reshape(3, -1).T @ np.float32(affine[:3, :3].T)
    points += np.float32(affine[:3, 3])
    pixel_mm = float(np.sort(np.linalg.norm(affine[:3, :3], axis=0))[0])
    case = np.random.default_rng((seed, index, 1))
    levels = _levels(case)
    shares, label = pelvis.paint(points, voxel_mm=pixel_mm)
    painted = {"label": label.reshape(size)}
    for number, name in enumerate(PROSTATE_MODALITIES):
        if name not in modalities:
            continue
        generator = np.random.default_rng((seed, index, 2 + number))
        if name == "t2":
            values = _t2(shares, levels, pelvis, points, generator)
        else:
            values = _adc(levels, pelvis, points, max(pixel_mm, ADC_BLUR_MM), generator)
        painted[name] = np.clip(np.rint(values), 0, 32767).astype(np.int16).reshape(size)
    return painted


def prostate_affine(size: Sequence[int], spacing_mm: Sequence[float] = (0.9, 0.9, 3.6)) -> np.ndarray:
    """Voxel to world (4, 4) as in MSD Task05: right, front, head; the image's middle is the origin."""
    affine = np.diag([*map(float, spacing_mm), 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(size) - 1) / 2)
    return affine


def _levels(generator: np.random.Generator) -> np.ndarray:
    """Return the brightness of every tissue in T2 and its ADC, (tissues, 2), in one case.

    In a quarter of the cases the peripheral zone is inflamed, and hardly brighter in T2 than the transition zone; in
    another quarter both zones have nearly the same ADC. Neither modality does alone.
    """
    table = np.array([LOOKS[tissue] for tissue in TISSUES])
    levels = table[:, :2] * np.exp(table[:, 2:3] * generator.standard_normal((len(TISSUES), 2)))
    row, other = TISSUES.index("peripheral"), TISSUES.index("transition")
    kind = generator.random()
    if kind < 0.25:
        levels[row, 0] = levels[other, 0] * generator.uniform(1.0, 1.25)
    elif kind < 0.5:
        levels[row, 1] = levels[other, 1] * generator.uniform(0.97, 1.1)
    return levels


def _t2(
    shares: np.ndarray, levels: np.ndarray, pelvis: Pelvis, points: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Scanner units (N,): tissues with the grain of the zones, seen by an uneven coil, with noise."""
    fine, coarse = SmoothField(generator, 1.6), SmoothField(generator, 4.0)
    grain = 0.10 * fine(points) + 0.10 * coarse(points)
    rough = shares[:, TISSUES.index("transition")]
    loose = shares[:, TISSUES.index("fat")]
    signal = (shares @ levels[:, 0]) * np.exp(grain * (0.5 + 0.9 * rough + 0.6 * loose))
    place = points / 70.0
    coil = np.exp(place @ generator.normal(0.0, 0.15, 3) + place**2 @ generator.normal(0.0, 0.10, 3))
    if generator.random() < 0.3:  # a coil in the rectum
        coil = coil * (1 + 2.5 * np.exp(-distance_to_line(points, pelvis.rectum) / 22.0))
    noise = generator.uniform(0.04, 0.08) * generator.standard_normal((2, len(points)))
    gain = T2_LEVEL * generator.uniform(0.7, 1.5)
    return gain * np.hypot(signal * coil + noise[0], noise[1])  # magnitude images have Rician noise


def _adc(
    levels: np.ndarray, pelvis: Pelvis, points: np.ndarray, voxel_mm: float, generator: np.random.Generator
) -> np.ndarray:
    """ADC (N,): blurred, shifted along y as echo-planar images are, noisy where the signal is weak, 0 without any."""
    warp = generator.uniform(0.3, 1.2) * SmoothField(generator, 14.0)(points)
    shifted = points.copy()
    shifted[:, 1] += warp
    shares, _ = pelvis.paint(shifted, voxel_mm=voxel_mm)
    diffusion = shares @ np.array([LOOKS[tissue][3] for tissue in TISSUES])
    grain = SmoothField(generator, 1.5)(points)
    noise = generator.uniform(60.0, 110.0) * grain / np.clip(diffusion, 0.3, None)
    values = shares @ levels[:, 1] + noise
    return np.where(diffusion < 0.08, 0.0, np.clip(values, 0.0, None))
