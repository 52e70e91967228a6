"""Compare the voxel grids of two stacks of DICOM images."""

from __future__ import annotations

import numpy as np

from .stacks import Stack

__all__ = ["grids_differ", "uncovered"]

GRID = 0.01  # of a pixel: how far two slices may be apart and count as one


def uncovered(one: Stack, other: Stack) -> tuple[float, float]:
    """Return how many millimetres of another checked stack's slices are beyond the two ends of a checked stack.

    Both are measured along the normal of the first, from the outer faces of the slices.
    """
    axes = one.frames.orientations[0]
    normal = np.cross(axes[:3], axes[3:])
    (low, high), (other_low, other_high) = (_ends(stack.frames.positions @ normal) for stack in (one, other))
    return max(0.0, low - other_low), max(0.0, other_high - high)


def _ends(heights: np.ndarray) -> tuple[float, float]:
    step = np.ptp(heights) / max(1, len(heights) - 1)
    return float(heights.min() - step / 2), float(heights.max() + step / 2)


def grids_differ(one: Stack, other: Stack) -> bool:
    """Whether two checked stacks are not on one voxel grid."""
    if one.first.size != other.first.size or len(one.frames.positions) != len(other.frames.positions):
        return True
    near = GRID * one.frames.spacings.min()
    far = np.abs(one.frames.positions - other.frames.positions).max()
    turned = np.abs(one.frames.orientations - other.frames.orientations).max() * max(one.first.size)
    finer = np.abs(one.frames.spacings - other.frames.spacings).max() * max(one.first.size)
    return bool(max(far, turned * one.frames.spacings.max(), finer) > near)
