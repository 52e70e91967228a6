"""Values of a volume inside a mask, without an index of every voxel."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["rows_of_slab", "values_inside"]

SLAB = 2**20  # voxels at a time


def rows_of_slab(volume: Tensor) -> int:
    """Return how many rows along the first spatial axis of (x, y, z) make a slab of some million voxels."""
    return max(1, SLAB // max(1, math.prod(volume.shape[1:])))


def values_inside(volume: Tensor, inside: Tensor) -> Tensor:
    """Return `volume[inside]` in double precision, which PyTorch makes with 24 and more bytes per voxel besides.

    Args:
        volume: (x, y, z).
        inside: boolean, same shape.

    Returns:
        (N,), float64, in the order of the voxels.
    """
    found = torch.empty(int(inside.sum()), dtype=torch.float64, device=volume.device)
    rows, start = rows_of_slab(volume), 0
    for part, mask in zip(volume.split(rows), inside.split(rows), strict=True):
        chosen = part[mask]
        found[start : start + len(chosen)] = chosen
        start += len(chosen)
    return found
