"""Bring volumes onto another grid: copied where voxels coincide, else by linear interpolation, slab by slab."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from monai.data import to_affine_nd
from torch import Tensor
from torch.nn.functional import grid_sample

__all__ = ["fill_on_grid", "logits_on_grid"]

SLAB = 2**20  # voxels of the output at a time
ALIGNED = 1e-2  # voxels: grids whose voxels coincide this well need no resampling
EDGE = 1e-3  # voxels: rounding of a position on the edge of the outermost voxels
LARGEST = 1e4  # logits are cut off here, since infinity times the weight 0 is not a number

Maps = Callable[[Tensor], Sequence[Tensor]]


def fill_on_grid(filled: Sequence[Tensor], logits: Tensor, affine: Tensor, grid_affine: Tensor, maps_of: Maps) -> None:
    """Put maps of logits into volumes (channels, *shape) on another grid, where this is inside the logits' voxels.

    Args:
        filled: volumes, changed in place.
        logits: (C, *spatial).
        affine: voxel indices of the logits to millimetres.
        grid_affine: voxel indices of the volumes to millimetres.
        maps_of: logits (C, *part) to a map (channels, *part) for each volume.
    """
    values, shape = logits.detach(), filled[0].shape[1:]
    to_logits = _to_logits(values, affine, grid_affine, shape)
    fill = _fill_by_copies if _is_aligned(to_logits, shape) else _fill_by_interpolation
    fill(filled, values, to_logits, maps_of)


def _fill_by_copies(filled: Sequence[Tensor], logits: Tensor, to_logits: Tensor, maps_of: Maps) -> None:
    """Fill volumes whose voxels coincide with those of the logits, a slab of the logits at a time."""
    rows = max(1, SLAB // max(1, math.prod(logits.shape[2:])))
    for start in range(0, logits.shape[1], rows):
        to_slab = to_logits.round().long()
        to_slab[0, -1] -= start
        for volume, source in zip(filled, maps_of(logits[:, start : start + rows].float()), strict=True):
            _place(source, to_slab, volume)


def _fill_by_interpolation(filled: Sequence[Tensor], logits: Tensor, to_logits: Tensor, maps_of: Maps) -> None:
    """Fill volumes on any grid, a slab of the volumes at a time."""
    for slab, sampled, inside in logits_on_grid(logits.float(), to_logits, filled[0].shape[1:]):
        for volume, source in zip(filled, maps_of(sampled), strict=True):
            part = volume[(slice(None), *slab)]
            part.copy_(torch.where(inside, source, part))


def _to_logits(logits: Tensor, affine: Tensor, grid_affine: Tensor, grid_shape: Sequence[int]) -> Tensor:
    """Return the affine matrix from voxel indices of a grid to those of the logits."""
    if len(grid_shape) != logits.ndim - 1:
        raise ValueError(f"the grid must have {logits.ndim - 1} axes as the logits have, got the shape {grid_shape}.")
    affine, grid_affine = (to_affine_nd(len(grid_shape), matrix.cpu().double()) for matrix in (affine, grid_affine))
    return torch.linalg.solve(affine, grid_affine)


def logits_on_grid(
    logits: Tensor, to_logits: Tensor, grid_shape: Sequence[int]
) -> Iterator[tuple[tuple[slice, ...], Tensor, Tensor]]:
    """Linear interpolation of logits on another grid, slab by slab along the first axis.

    All slabs together cover the voxels inside the logits' grid, and little more. Up to half a voxel outside the
    outermost centres, these centres' logits count.

    Args:
        logits: (C, *spatial), float32.
        to_logits: affine matrix, voxel indices of the other grid to those of the logits.
        grid_shape: spatial shape of the other grid.

    Yields:
        Position of the slab in the grid, logits (C, *slab), and the mask (*slab) of voxels inside the logits' grid.
    """
    is_small = len(logits) and bool((logits.amin() >= -LARGEST) & (logits.amax() <= LARGEST))
    source = (logits if is_small else logits.clamp(-LARGEST, LARGEST))[None]
    sizes = torch.tensor(logits.shape[1:], dtype=torch.float64)
    box = _box(to_logits, sizes, grid_shape)
    rows = max(1, SLAB // max(1, math.prod(part.stop - part.start for part in box[1:])))
    for start in range(box[0].start, box[0].stop, rows):
        slab = (slice(start, min(start + rows, box[0].stop)), *box[1:])
        positions, inside = _positions(slab, to_logits, sizes, logits.device)
        sampled = grid_sample(source, positions[None], padding_mode="border", align_corners=False)
        yield slab, sampled[0], inside


def _positions(slab: Sequence[slice], to_logits: Tensor, sizes: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return where the voxels of a slab are in the logits: positions for `grid_sample`, and the mask of those inside.

    Without align_corners, -1 and 1 are the outer edges of the first and the last voxel.
    """
    scale, shift = 2 * to_logits[:-1, :-1] / sizes[:, None], (2 * to_logits[:-1, -1] + 1) / sizes - 1
    limits = 1 + 2 * EDGE / sizes
    positions = torch.empty(*(part.stop - part.start for part in slab), len(slab), device=device)
    inside = torch.ones(positions.shape[:-1], dtype=torch.bool, device=device)
    for axis in range(len(slab)):
        along = positions[..., len(slab) - 1 - axis]  # grid_sample wants the last axis first
        along.fill_(float(shift[axis]))
        for other, part in enumerate(slab):
            indices = torch.arange(part.start, part.stop, dtype=torch.float64)
            step = (scale[axis, other] * indices).to(along)
            along += step.view(-1, *[1] * (len(slab) - 1 - other))
        inside &= along.abs() <= float(limits[axis])
    return positions, inside


def _is_aligned(to_logits: Tensor, shape: Sequence[int]) -> bool:
    """Say whether every voxel of the grid has the centre of a voxel of the logits, apart from flips and transposes."""
    whole = to_logits.round()
    if not (whole[:-1, :-1].abs().sum(dim=0) == 1).all() or not (whole[:-1, :-1].abs().sum(dim=1) == 1).all():
        return False
    off = (to_logits - whole)[:-1].abs()
    largest_index = torch.tensor([*(size - 1 for size in shape), 1], dtype=off.dtype)
    return bool((off @ largest_index < ALIGNED).all())


def _place(source: Tensor, to_source: Tensor, filled: Tensor) -> None:
    """Copy a volume (C, *spatial) into a larger or smaller one, flipped and transposed; `to_source` is of integers."""
    axes = to_source[:-1, :-1].abs().argmax(dim=0).tolist()  # of the source, in the order of the filled volume
    source = source.permute(0, *(1 + axis for axis in axes))
    here, there = [slice(None)], [slice(None)]
    for place, axis in enumerate(axes):
        size, first = source.shape[1 + place], int(to_source[axis, -1])
        if to_source[axis, place] < 0:
            source, first = source.flip(1 + place), size - 1 - first
        start, stop = max(0, -first), max(0, min(filled.shape[1 + place], size - first))
        here.append(slice(start, max(start, stop)))
        there.append(slice(start + first, max(start, stop) + first))
    filled[tuple(here)] = source[tuple(there)]


def _box(to_logits: Tensor, sizes: Tensor, grid_shape: Sequence[int]) -> tuple[slice, ...]:
    """Part of the grid that the logits' voxels reach: a box around their eight (in 2D four) outer corners."""
    corners = torch.cartesian_prod(*(torch.tensor([-0.5, float(size) - 0.5]).double() for size in sizes))
    ones = torch.ones(len(corners), 1, dtype=torch.float64)
    reached = torch.linalg.solve(to_logits, torch.cat([corners, ones], dim=1).T)[:-1]
    first = (reached.amin(dim=1) - EDGE).ceil().long().tolist()
    last = (reached.amax(dim=1) + EDGE).floor().long().tolist()
    box = []
    for low, high, size in zip(first, last, grid_shape, strict=True):
        start = min(max(0, low), size)
        box.append(slice(start, max(start, min(size, high + 1))))
    return tuple(box)
