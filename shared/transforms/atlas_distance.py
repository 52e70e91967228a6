"""Say where a brain is far from the atlas on which the training images of BraTS are."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping

import numpy as np
from monai.data.utils import affine_to_spacing
from monai.transforms import Transform
from torch import Tensor

from .source_file import source_file

__all__ = ["NoteAtlasDistanced", "atlas_distance"]

MOST_EDGE_MM = 3.0  # SRI24 has voxels of 1 mm
MOST_DEGREES = 15.0  # between the image's axes and those of the head
BRAIN_MM = (95.0, 215.0)  # sides of its box: 13 patients of BraTS 2018 have 128 to 182 mm


class NoteAtlasDistanced(Transform):
    """Warn in one line of an image that is far from the 1 mm SRI24 atlas; change nothing.

    Args:
        image_key: (M, *spatial), with an affine.
        brain_key: mask of the brain, (1, *spatial).
    """

    def __init__(self, image_key: str = "image", brain_key: str = "brain") -> None:
        self.image_key = image_key
        self.brain_key = brain_key

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        image, brain = data[self.image_key], data.get(self.brain_key)
        affine = getattr(image, "affine", None)
        if affine is not None and brain is not None:
            mask = np.asarray(brain[0].detach().cpu()) > 0
            if far := atlas_distance(np.asarray(affine, dtype=float), mask):
                logging.getLogger(__name__).warning(
                    "%s: is far from the 1 mm SRI24 atlas of the training images: %s; register it (see the README), or "
                    "silence this with --checks \"{'atlas': False}\".",
                    source_file(image, "image"),
                    ", ".join(far),
                )
        return dict(data)


def atlas_distance(affine: np.ndarray, brain: np.ndarray) -> list[str]:
    """Say in words, with numbers, how a brain's grid differs from SRI24's; nothing where it is near.

    Args:
        affine: (4, 4), voxel to world in millimetres.
        brain: mask (x, y, z).
    """
    edges = affine_to_spacing(affine)
    axes = affine[:3, :3] / edges
    degrees = float(np.degrees(np.arccos(np.clip(np.abs(axes).max(axis=0), 0, 1))).max())
    far = []
    if edges.max() > MOST_EDGE_MM:
        far.append(f"voxels of {_times(edges)} mm ({MOST_EDGE_MM:g} at most)")
    if degrees > MOST_DEGREES:
        far.append(f"axes turned by {degrees:.0f} degrees ({MOST_DEGREES:g} at most)")
    if brain.any():
        filled = [np.flatnonzero(brain.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        sides = np.array([np.ptp(places) + 1 for places in filled]) * edges
        if sides.min() < BRAIN_MM[0] or sides.max() > BRAIN_MM[1]:
            far.append(f"a brain of {_times(sides)} mm ({BRAIN_MM[0]:g} to {BRAIN_MM[1]:g} a side)")
    return far


def _times(numbers: np.ndarray) -> str:
    return " x ".join(f"{number:.3g}" for number in numbers)
