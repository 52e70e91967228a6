"""What a painted lesion consists of, and what a reader would have called it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .head_pose import Head

__all__ = ["CAVITY", "ENHANCING", "LABELS", "NECROSIS", "OEDEMA", "PARTS", "SOLID", "Lesion", "bodies", "brain_of"]

PARTS = ("none", "oedema", "solid", "necrosis", "enhancing", "cavity")
OEDEMA, SOLID, NECROSIS, ENHANCING, CAVITY = range(1, len(PARTS))
# 0 background, 1 necrosis and non-enhancing tumour, 2 oedema, 3 enhancing; a resection cavity belongs to none
LABELS = np.array([0, 2, 1, 1, 3, 0], np.uint8)
LEAST_SHARE = 0.1  # of the largest piece; smaller ones are crumbs


@dataclass
class Lesion:
    """A lesion on a head's grid.

    Attributes:
        parts: uint8, index into `PARTS`.
        fade: float32, 0 at the tumour to 1 at the edge of its oedema.
    """

    parts: np.ndarray
    fade: np.ndarray

    @property
    def label(self) -> np.ndarray:
        """Class per voxel, uint8."""
        return LABELS[self.parts]


def brain_of(head: Head) -> np.ndarray:
    """Return the mask of the brain."""
    return head.grey + head.white + head.fluid > 0.5


def bodies(mask: np.ndarray) -> np.ndarray:
    """Return a mask without its crumbs."""
    parts, number = ndimage.label(mask)
    if number < 2:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return (sizes > LEAST_SHARE * sizes.max())[parts]
