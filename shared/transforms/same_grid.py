"""Compare the voxel grids of images that are to be used together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import product
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
VOXEL_SHARE = 0.01  # headers keep float32: after a few programs a voxel may be this part of its size off


def grid_difference(first: Tensor, second: Tensor) -> str:
    """Say in words how the grids of two images (C, *spatial) differ; nothing ("") where they do not.

    Shapes are compared exactly. Affines agree if their entries do to 1e-3, or if no voxel is shifted by more than 1 %
    of the smallest voxel side. A tensor without an affine has its shape only.
    """
    if first.shape[1:] != second.shape[1:]:
        return f"shapes are {_times(first.shape[1:])} and {_times(second.shape[1:])}"
    if not (isinstance(first, MetaTensor) and isinstance(second, MetaTensor)):
        return ""
    affines = [np.asarray(image.affine, dtype=float) for image in (first, second)]
    spacings = [affine_to_spacing(affine) for affine in affines]
    negligible = VOXEL_SHARE * min(np.min(spacing) for spacing in spacings)
    if _agree(*affines) or _greatest_shift(*affines, first.shape[1:]) <= negligible:
        return ""
    if not _agree(*spacings):
        return "spacings are {} and {} mm".format(*_told_apart(*spacings, separator=" x "))
    axes = [affine[:-1, :-1] / spacing for affine, spacing in zip(affines, spacings, strict=True)]
    if not _agree(*(affine[:-1, :-1] for affine in affines)):
        # the chord between two unit vectors keeps small angles, which the arc cosine loses
        chords = np.linalg.norm(axes[0] - axes[1], axis=0)
        degrees = np.degrees(2 * np.arcsin(np.clip(chords / 2, 0, 1))).max()
        return f"the axes point in different directions, up to {degrees:.3g} degrees apart"
    origins = [affine[:-1, -1] for affine in affines]
    shift = ", ".join(f"{value:.4g}" for value in (origins[1] - origins[0]).round(6) + 0.0)
    texts = _told_apart(*origins, separator=", ")
    return f"origins are ({texts[0]}) and ({texts[1]}) mm, a shift of ({shift}) mm"


class RequireSameGridd(MapTransform):
    """Refuse a case whose label or brain mask is not on the image's grid; otherwise change nothing.

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
                    f"{source_file(data[key], key)}: the {key} is on another grid than "
                    f"{source_file(first, present[0])}, {difference}; resample it onto that grid "
                    "(labels and masks by nearest neighbour)."
                )
        return dict(data)


def _agree(first: np.ndarray, second: np.ndarray) -> bool:
    return np.allclose(first, second, rtol=0, atol=TOLERANCE)


def _greatest_shift(first: np.ndarray, second: np.ndarray, shape: Sequence[int]) -> float:
    """Return the greatest distance between where two affines place a voxel; one of the box's corners has it."""
    corners = np.array([(*corner, 1) for corner in product(*((0, size - 1) for size in shape))])
    return float(np.linalg.norm(corners @ (first - second).T, axis=1).max())


def _told_apart(first: Sequence[float], second: Sequence[float], separator: str) -> list[str]:
    """Write two lists of numbers with as many digits as it takes to see the difference, but at least four."""
    for digits in range(4, 18):
        texts = [separator.join(f"{float(number):.{digits}g}" for number in numbers) for numbers in (first, second)]
        if texts[0] != texts[1]:
            break
    return texts


def _times(numbers: Any) -> str:
    return " x ".join(f"{float(number):.4g}" for number in numbers)
