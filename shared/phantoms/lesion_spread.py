"""How oedema spreads: fast along white matter, slowly in grey matter, not through CSF or the falx."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F

from .head_pose import Head
from .lesion_parts import brain_of

__all__ = ["IN_WHITE", "blocked_by", "spread_mm", "travel_mm"]

COARSE_MM = 2.0
IN_WHITE, IN_GREY = 0.8, 2.6  # millimetres of effort per millimetre
FAR = np.float32(1e4)
STEPS = [step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]  # half of the 26 neighbours


def spread_mm(head: Head, head_start: np.ndarray, most_mm: float, slower: np.ndarray | None = None) -> np.ndarray:
    """Return the effort (x, y, z) to reach every voxel from a tumour.

    Args:
        head: with its tissues.
        head_start: effort at the tumour's own voxels (0 or above), `inf` elsewhere.
        most_mm: efforts above are not needed.
        slower: factor (x, y, z) on the effort in tissue, so that fronts are not straight; 1 if None.
    """
    every = [max(1, int(COARSE_MM / spacing + 0.01)) for spacing in head.grid.spacing]
    thin = tuple(slice(None, None, step) for step in every)
    steps_mm = [spacing * step for spacing, step in zip(head.grid.spacing, every, strict=True)]
    slowness = IN_WHITE * head.white[thin] + IN_GREY * (1.0 - head.white[thin])
    slowness *= 1.0 if slower is None else slower[thin]
    slowness[blocked_by(head)[thin]] = FAR
    start = _thinned(np.where(np.isinf(head_start), FAR, head_start).astype(np.float32), every)
    effort = travel_mm(start, slowness, steps_mm, most_mm)
    return _grown(np.minimum(effort, 2.0 * most_mm + 4.0), head.grid.shape, every)


def blocked_by(head: Head) -> np.ndarray:
    """Return where nothing spreads: air, CSF, and the falx with its neighbourhood but for the corpus callosum."""
    wide = max(2.2, 0.6 * head.grid.spacing[0])
    falx = (np.abs(head.side) < wide) & (head.white < 0.75) & (head.hindbrain < 0.5)
    return falx | (head.fluid > 0.5) | ~brain_of(head)


def travel_mm(start: np.ndarray, slowness: np.ndarray, steps_mm: Sequence[float], most_mm: float) -> np.ndarray:
    """Return the least sum of slowness x length over paths from the start to every voxel.

    Paths go from voxel to voxel, over the 26 neighbours; the slowness is that of the voxel entered.

    Args:
        start: (x, y, z), effort at the start (0 or above), large elsewhere.
        slowness: (x, y, z), above 0.
        steps_mm: edges of a voxel.
        most_mm: paths above are not followed.
    """
    effort = start.copy()
    for _ in range(int(np.ceil(most_mm / min(steps_mm) / float(slowness.min()))) + 1):
        before = effort.copy()
        for step in STEPS:
            length = np.float32(np.sqrt(sum((s * mm) ** 2 for s, mm in zip(step, steps_mm, strict=True))))
            ahead, behind = _shifted(step)
            np.minimum(effort[ahead], effort[behind] + length * slowness[ahead], out=effort[ahead])
            np.minimum(effort[behind], effort[ahead] + length * slowness[behind], out=effort[behind])
        if np.array_equal(np.minimum(before, most_mm), np.minimum(effort, most_mm)):
            break
    return effort


def _shifted(step: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the slices of the voxels that have a neighbour behind them, and of these neighbours."""
    ahead = {-1: slice(None, -1), 0: slice(None), 1: slice(1, None)}
    behind = {-1: slice(1, None), 0: slice(None), 1: slice(None, -1)}
    return tuple(ahead[s] for s in step), tuple(behind[s] for s in step)


def _thinned(volume: np.ndarray, every: Sequence[int]) -> np.ndarray:
    """Return the least value of each block, so that no thin tumour is lost."""
    padded = np.pad(volume, [(0, -size % step) for size, step in zip(volume.shape, every, strict=True)], mode="edge")
    blocks = padded.reshape(
        [part for size, step in zip(padded.shape, every, strict=True) for part in (size // step, step)]
    )
    return blocks.min(axis=(1, 3, 5))


def _grown(volume: np.ndarray, shape: Sequence[int], every: Sequence[int]) -> np.ndarray:
    """Return a thinned volume on the full grid, trilinear."""
    if volume.shape == tuple(shape):
        return volume
    size = [(length - 1) * step + 1 for length, step in zip(volume.shape, every, strict=True)]
    grown = F.interpolate(torch.from_numpy(volume)[None, None], size=size, mode="trilinear", align_corners=True)
    grown = grown[0, 0].numpy()
    missing = [(0, max(0, want - have)) for want, have in zip(shape, grown.shape, strict=True)]
    return np.pad(grown, missing, mode="edge")[tuple(slice(0, want) for want in shape)]
