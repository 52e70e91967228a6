"""Turn a network's logits into a label map and an uncertainty map on the image's own grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor, to_affine_nd
from monai.transforms import MapTransform
from monai.utils import TransformBackends, convert_to_dst_type
from torch import Tensor
from torch.nn.functional import grid_sample

from .at_temperature import at_temperature

__all__ = [
    "SegmentOnGridd",
    "classes_and_uncertainty",
    "logits_on_grid",
    "map_on_grid",
    "probabilities_on_grid",
    "segment_on_grid",
]

SLAB = 2**20  # voxels of the output at a time
ALIGNED = 1e-2  # voxels: grids whose voxels coincide this well need no resampling
EDGE = 1e-3  # voxels: rounding of a position on the edge of the outermost voxels
LARGEST = 1e4  # logits are cut off here, since infinity times the weight 0 is not a number


def classes_and_uncertainty(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Most probable class (the first of equals), and 1 - its probability under the softmax.

    Args:
        logits: (C, *spatial), float32.

    Returns:
        Classes (1, *spatial), uint8, and uncertainty (1, *spatial), in [0, 1 - 1/C].
    """
    largest, classes = logits.max(dim=0, keepdim=True)
    log_probability = largest - logits.logsumexp(dim=0, keepdim=True)
    return classes.to(torch.uint8), -torch.expm1(log_probability).clamp(max=0)


def segment_on_grid(
    logits: Tensor, affine: Tensor, grid_affine: Tensor, grid_shape: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Classes and uncertainty of logits on another grid: linear interpolation of the logits, then the argmax.

    The argmax before a nearest-neighbour interpolation would give stair steps of the size of the logits' voxels.
    nnU-Net v2 (Isensee et al., Nature Methods 18, 2021) interpolates logits linearly too. Grids whose voxels coincide
    (crop, flip, transpose) need no interpolation. Voxels whose centre is outside the logits' voxels become background
    with uncertainty 0. Besides the results, no more than some million voxels are in memory.

    Args:
        logits: (C, *spatial), 2D or 3D.
        affine: voxel indices of the logits to millimetres.
        grid_affine: voxel indices of the other grid to millimetres.
        grid_shape: spatial shape of the other grid.

    Returns:
        Classes (1, *grid_shape), uint8, and uncertainty (1, *grid_shape), float32, on the logits' device.
    """
    filled = _no_class(logits, grid_shape)
    _fill(filled, logits, affine, grid_affine, classes_and_uncertainty)
    return filled


def probabilities_on_grid(logits: Tensor, affine: Tensor, grid_affine: Tensor, grid_shape: Sequence[int]) -> Tensor:
    """Softmax of logits on another grid, interpolated as in `segment_on_grid`; outside of the logits all background.

    Args:
        logits: see `segment_on_grid`, like the others.
        affine: of the logits.
        grid_affine: of the other grid.
        grid_shape: of the other grid.

    Returns:
        (C, *grid_shape), float16, on the logits' device.
    """
    filled = _background(logits, grid_shape)
    _fill((filled,), logits, affine, grid_affine, lambda values: (_softmax(values),))
    return filled


def map_on_grid(values: Tensor, affine: Tensor, grid_affine: Tensor, grid_shape: Sequence[int]) -> Tensor:
    """Linear interpolation of a map of numbers (C, *spatial) on another grid; 0 outside of it.

    Args:
        values: (C, *spatial), 2D or 3D.
        affine: see `segment_on_grid`, like the others.
        grid_affine: of the other grid.
        grid_shape: of the other grid.

    Returns:
        (C, *grid_shape), float32.
    """
    filled = torch.zeros(len(values), *grid_shape, device=values.device)
    _fill((filled,), values, affine, grid_affine, lambda sampled: (sampled,))
    return filled


def _no_class(logits: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Classes and uncertainty where there are no logits: background for certain."""
    classes = torch.zeros(1, *shape, dtype=torch.uint8, device=logits.device)
    return classes, torch.zeros(1, *shape, device=logits.device)


def _background(logits: Tensor, shape: Sequence[int]) -> Tensor:
    """Probabilities where there are no logits."""
    filled = torch.zeros(len(logits), *shape, dtype=torch.float16, device=logits.device)
    filled[0] = 1
    return filled


def _softmax(values: Tensor) -> Tensor:
    return values.softmax(dim=0).half()


def _fill(
    filled: Sequence[Tensor],
    logits: Tensor,
    affine: Tensor,
    grid_affine: Tensor,
    maps_of: Callable[[Tensor], Sequence[Tensor]],
) -> None:
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
    if _is_aligned(to_logits, shape):
        rows = max(1, SLAB // max(1, math.prod(values.shape[2:])))
        for start in range(0, values.shape[1], rows):
            to_slab = to_logits.round().long()
            to_slab[0, -1] -= start
            for volume, source in zip(filled, maps_of(values[:, start : start + rows].float()), strict=True):
                _place(source, to_slab, volume)
        return
    for slab, sampled, inside in logits_on_grid(values.float(), to_logits, shape):
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
    # grid_sample without align_corners: -1 and 1 are the outer edges of the first and last voxel
    scale, shift = 2 * to_logits[:-1, :-1] / sizes[:, None], (2 * to_logits[:-1, -1] + 1) / sizes - 1
    limits = 1 + 2 * EDGE / sizes
    for start in range(box[0].start, box[0].stop, rows):
        slab = (slice(start, min(start + rows, box[0].stop)), *box[1:])
        positions = torch.empty(*(part.stop - part.start for part in slab), len(slab), device=logits.device)
        inside = torch.ones(positions.shape[:-1], dtype=torch.bool, device=logits.device)
        for axis in range(len(slab)):
            along = positions[..., len(slab) - 1 - axis]  # grid_sample wants the last axis first
            along.fill_(float(shift[axis]))
            for other, part in enumerate(slab):
                indices = torch.arange(part.start, part.stop, dtype=torch.float64)
                step = (scale[axis, other] * indices).to(along)
                along += step.view(-1, *[1] * (len(slab) - 1 - other))
            inside &= along.abs() <= float(limits[axis])
        sampled = grid_sample(source, positions[None], padding_mode="border", align_corners=False)
        yield slab, sampled[0], inside


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


def _empty(tensor: Tensor) -> None:
    """Take the values out of a tensor, and out of the batch of which it is a part; other parts keep theirs."""
    for holder in (tensor, tensor._base):
        if holder is not None:
            holder.data = torch.empty(0, dtype=holder.dtype, device=holder.device)


class SegmentOnGridd(MapTransform):
    """Replace logits by the label map on the image's own grid, and add its uncertainty: see `segment_on_grid`.

    "disagreement", where there is one (see `SplitDisagreementd`), is brought to the grid, too.

    Only the grids count, whatever transforms led from one to the other. Runs after `Invertd` has brought the image
    back to its own grid, or names the label or the mask of the brain, which never left it, as the grid.

    Args:
        keys: the logits (C, *spatial), with the affine of the grid that the network saw; one key.
        grid_key: a volume on the grid that the results get.
        uncertainty_key: where the uncertainty is put.
        temperature: one number, or one per class; see `at_temperature`.
        probabilities: put the classes' probabilities under "probabilities", too: see `probabilities_on_grid`.
        allow_missing_keys: skip absent keys instead of raising.
        free_logits: give the logits' memory back, which an engine would hold until the case is done: whoever else has
            the tensor finds it empty.
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self,
        keys: KeysCollection = "pred",
        grid_key: str = "image",
        uncertainty_key: str = "uncertainty",
        probabilities: bool = False,
        temperature: float | Sequence[float] = 1.0,
        allow_missing_keys: bool = False,
        free_logits: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"keys must be one key, since there is one uncertainty_key; got {self.keys}.")
        self.grid_key = grid_key
        self.uncertainty_key = uncertainty_key
        self.probabilities = probabilities
        self.temperature = temperature
        self.free_logits = free_logits

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        segmented = dict(data)
        for key in self.key_iterator(segmented):
            logits, grid = data[key], data[self.grid_key]
            for name, volume in ((key, logits), (self.grid_key, grid)):
                if not isinstance(volume, MetaTensor):
                    raise ValueError(f"{name} must be a MetaTensor, whose affine says where it is; got {type(volume)}.")
            if logits.shape[0] < 2:
                raise ValueError(f"{key} must hold logits of at least two classes, got shape {tuple(logits.shape)}.")
            affine, shape = logits.affine, grid.shape[1:]
            filled = _no_class(logits, shape)
            if self.probabilities:
                filled = (*filled, _background(logits, shape))
            _fill(filled, logits.as_tensor(), affine, grid.affine, self._maps)
            if self.free_logits:
                _empty(logits)
            results = dict(zip((key, self.uncertainty_key, "probabilities"), filled, strict=False))
            if "disagreement" in data:
                results["disagreement"] = map_on_grid(data["disagreement"].as_tensor(), affine, grid.affine, shape)
            for name, values in results.items():
                segmented[name] = convert_to_dst_type(values, grid, dtype=values.dtype, device=values.device)[0]
        return segmented

    def _maps(self, logits: Tensor) -> tuple[Tensor, ...]:
        """Return classes, uncertainty and, if they are wanted, probabilities of a part."""
        scaled = at_temperature(logits, self.temperature)
        maps = classes_and_uncertainty(scaled)
        return (*maps, _softmax(scaled)) if self.probabilities else maps
