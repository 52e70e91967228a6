"""Turn a network's logits into a label map and an uncertainty map on the image's own grid."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import TransformBackends, convert_to_dst_type
from torch import Tensor

from .at_temperature import at_temperature
from .give_back import give_back
from .sample_on_grid import fill_on_grid

__all__ = ["SegmentOnGridd", "classes_and_uncertainty", "map_on_grid", "probabilities_on_grid", "segment_on_grid"]


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
    fill_on_grid(filled, logits, affine, grid_affine, classes_and_uncertainty)
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
    fill_on_grid((filled,), logits, affine, grid_affine, lambda values: (_softmax(values),))
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
    fill_on_grid((filled,), values, affine, grid_affine, lambda sampled: (sampled,))
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
        free_logits: give the logits' memory back, which an engine would hold until the case is done; see `give_back`.
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
            self._check(data, key)
            logits, grid = data[key], data[self.grid_key]
            affine, shape = logits.affine, grid.shape[1:]
            filled = _no_class(logits, shape)
            if self.probabilities:
                filled = (*filled, _background(logits, shape))
            fill_on_grid(filled, logits.as_tensor(), affine, grid.affine, self._maps)
            if self.free_logits:
                give_back(logits)
            results = dict(zip((key, self.uncertainty_key, "probabilities"), filled, strict=False))
            if "disagreement" in data:
                results["disagreement"] = map_on_grid(data["disagreement"].as_tensor(), affine, grid.affine, shape)
            for name, values in results.items():
                segmented[name] = convert_to_dst_type(values, grid, dtype=values.dtype, device=values.device)[0]
        return segmented

    def _check(self, data: Mapping[Hashable, Tensor], key: Hashable) -> None:
        for name in (key, self.grid_key):
            if not isinstance(data[name], MetaTensor):
                raise ValueError(f"{name} must be a MetaTensor, whose affine says where it is; got {type(data[name])}.")
        if data[key].shape[0] < 2:
            raise ValueError(f"{key} must hold logits of at least two classes, got shape {tuple(data[key].shape)}.")

    def _maps(self, logits: Tensor) -> tuple[Tensor, ...]:
        """Return classes, uncertainty and, if they are wanted, probabilities of a part."""
        scaled = at_temperature(logits, self.temperature)
        maps = classes_and_uncertainty(scaled)
        return (*maps, _softmax(scaled)) if self.probabilities else maps
