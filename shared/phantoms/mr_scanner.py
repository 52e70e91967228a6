"""What an MR scanner does to a signal: uneven coil, thick slices, blur, Rician noise, and whole numbers."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .head_grid import HeadGrid, Waves

__all__ = ["scan", "slice_weights", "to_scanner_units"]

THICK_AXES = (0.15, 0.1, 0.75)  # how often slices are sagittal, coronal, axial
WHITE_LEVEL = {"t1": 420.0, "t1ce": 480.0, "t2": 420.0, "flair": 380.0}
SATURATED_AT = 32000.0


def scan(generator: np.random.Generator, grid: HeadGrid, signal: np.ndarray) -> np.ndarray:
    """Return the magnitude image of a signal (x, y, z): positive everywhere."""
    signal = signal * np.exp(np.float32(0.2 * generator.uniform(0.0, 1.0) ** 1.6) * Waves(generator, 50.0).on(grid))
    signal = np.clip(signal, 0.01, None) ** np.float32(generator.uniform(0.85, 1.2))
    noise = generator.uniform(0.004, 0.045) / max(1.0, np.prod(grid.spacing) ** (1 / 3))  # large voxels have less
    blur_mm = generator.uniform(0.0, 1.3)
    for axis in range(3):
        sigma = blur_mm / grid.spacing[axis]
        if sigma > 0.3:
            signal = ndimage.gaussian_filter1d(signal, sigma, axis=axis, truncate=2.5)
    axis = int(generator.choice(3, p=THICK_AXES))
    slice_mm = generator.uniform(1.0, 6.5) if generator.random() < 0.6 else 0.0
    uneven = generator.uniform(0.0, 0.03) if generator.random() < 0.3 else 0.0
    if slice_mm <= 1.3 * grid.spacing[axis]:
        return _with_noise(generator, signal, noise)
    measure, restore = slice_weights(grid.axes[axis], slice_mm, generator.uniform(0, slice_mm))
    slices = np.moveaxis(np.tensordot(measure, signal, axes=(1, axis)), 0, axis)
    slices = _with_noise(generator, slices, noise)
    gains = np.exp(uneven * generator.standard_normal(slices.shape[axis])).astype(np.float32)
    slices *= gains.reshape([-1 if k == axis else 1 for k in range(3)])
    return np.ascontiguousarray(np.moveaxis(np.tensordot(restore, slices, axes=(1, axis)), 0, axis))


def slice_weights(coordinates: np.ndarray, slice_mm: float, first_mm: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return how slices are measured from voxels (S, N), and how voxels are interpolated from slices (N, S).

    Args:
        coordinates: (N,), of the voxels along the axis, evenly spaced, in millimetres.
        slice_mm: distance and thickness of the slices.
        first_mm: distance of the first slice's middle from the first voxel.
    """
    along = np.abs(coordinates - coordinates[0])
    middles = np.arange(first_mm - slice_mm, along[-1] + 2 * slice_mm, slice_mm)
    spacing = along[1] - along[0]
    covered = np.minimum(along + spacing / 2, middles[:, None] + slice_mm / 2) - np.maximum(
        along - spacing / 2, middles[:, None] - slice_mm / 2
    )
    measure = covered.clip(0)
    at_end = middles > along[-1] / 2
    measure[:, 0] += 1e-6 * ~at_end  # slices that lie outside show the first or the last voxel
    measure[:, -1] += 1e-6 * at_end
    measure /= measure.sum(axis=1, keepdims=True)
    restore = np.clip(1.0 - np.abs(along[:, None] - middles) / slice_mm, 0, None)
    return measure.astype(np.float32), (restore / restore.sum(axis=1, keepdims=True)).astype(np.float32)


def _with_noise(generator: np.random.Generator, signal: np.ndarray, noise: float) -> np.ndarray:
    """Add Rician noise (Gudbjartsson and Patz, Magnetic Resonance in Medicine 34, 1995)."""
    one, two = (np.float32(noise) * generator.standard_normal(signal.shape, dtype=np.float32) for _ in range(2))
    return np.hypot(signal + one, two)


def to_scanner_units(
    generator: np.random.Generator, modality: str, image: np.ndarray, inside: np.ndarray, saturated: bool
) -> np.ndarray:
    """Return int16, 0 outside the brain and positive inside.

    Args:
        generator: of random numbers.
        modality: its name, which decides the usual scale.
        image: (x, y, z).
        inside: mask of the brain.
        saturated: the brightest voxels reach the end of the scale.
    """
    gain = WHITE_LEVEL[modality] * np.exp(generator.normal(0.0, 0.35))
    if saturated and inside.any():
        gain = SATURATED_AT / np.percentile(image[inside], generator.uniform(90.0, 99.9))
    whole = np.clip(np.rint(np.float32(gain) * image), 1, SATURATED_AT)
    return np.where(inside, whole, 0).astype(np.int16)
