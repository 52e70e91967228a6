"""Compare the voxel grids of images that are to be used together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.data.utils import affine_to_spacing
from monai.transforms import MapTransform
from torch import Tensor

from ..errors import InputError
from .source_file import source_file

__all__ = ["RequireSameGridd", "grid_difference"]

TOLERANCE = 1e-3  # millimetres, per entry of the affine


def grid_difference(first: Tensor, second: Tensor) -> str:
    """Say in words how the grids of two images (C, *spatial) differ; nothing ("") where they do not.

    Shapes are compared exactly, affines entry by entry to 1e-3; a tensor without an affine has its shape only.
    """
    if first.shape[1:] != second.shape[1:]:
        return f"shapes are {_times(first.shape[1:])} and {_times(second.shape[1:])}"
    if not (isinstance(first, MetaTensor) and isinstance(second, MetaTensor)):
        return ""
    affines = [np.asarray(image.affine, dtype=float) for image in (first, second)]
    if np.allclose(*affines, rtol=0, atol=TOLERANCE):
        return ""
    spacings = [affine_to_spacing(affine) for affine in affines]
    if not np.allclose(*spacings, rtol=0, atol=TOLERANCE):
        return f"spacings are {_times(spacings[0])} and {_times(spacings[1])} mm"
    if not np.allclose(affines[0][:-1, :-1], affines[1][:-1, :-1], rtol=0, atol=TOLERANCE):
        return "the axes point in different directions"
    origins = [", ".join(f"{value:.4g}" for value in affine[:-1, -1]) for affine in affines]
    return f"origins are ({origins[0]}) and ({origins[1]}) mm"


class RequireSameGridd(MapTransform):
    """Refuse a case whose label or brain mask does not lie on the image's grid; otherwise change nothing.

    Args:
        keys: entries to compare with the first of them; those that are absent, or not read (a path), are passed over.
    """

    def __init__(self, keys: KeysCollection = ("image", "label", "brain")) -> None:
        super().__init__(keys, allow_missing_keys=True)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        present = [key for key in self.keys if isinstance(data.get(key), Tensor)]
        for key in present[1:]:
            first = data[present[0]]
            difference = grid_difference(first, data[key])
            if difference:
                raise InputError(
                    f"{source_file(data[key], key)}: the {key} lies on another grid than "
                    f"{source_file(first, present[0])}, {difference}; resample it onto that grid "
                    "(labels and masks by nearest neighbour)."
                )
        return dict(data)


def _times(numbers: Any) -> str:
    return " x ".join(f"{float(number):.4g}" for number in numbers)
