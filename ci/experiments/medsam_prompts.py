"""Boxes around the reference, and slices as MedSAM takes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from monai.data import MetaTensor
from scipy import ndimage
from torch import Tensor

from shared.transforms import TumourRegions

__all__ = ["AXES", "CLASSES", "Prompt", "grey_of", "prompts_of"]

AXES = "LPS"  # columns go to the patient's left, rows to the back, slices up: radiological display
CLASSES = {"WT": 2, "TC": 1, "ET": 3}  # regions, large to small, and the class of what is in no smaller one
WHOLE = np.ones((3, 3, 3))  # neighbours share a face, an edge or a corner


class Prompt(NamedTuple):
    """A box around one part of a region in one slice.

    `box` is its left, top, right and bottom edge in voxels: 0 is the left edge of the first voxel, 1 its right edge.
    """

    region: str
    slice: int
    box: tuple[float, float, float, float]


def prompts_of(label: MetaTensor, margin_mm: float) -> list[Prompt]:
    """Return a box per region, part of it and slice, enlarged on all sides as far as the slice reaches.

    Parts are those of the volume, not of a slice, as in the published preparation of tumours: what is connected in
    other slices gets one box.

    Args:
        label: (1, x, y, z), classes, with axes as in `AXES`.
        margin_mm: between the part and the box.
    """
    columns, rows, slices = label.shape[1:]
    step = margin_mm / label.pixdim[:2].numpy()
    prompts = []
    for region, inside in zip(CLASSES, TumourRegions(min_et_volume_mm3=None)(label), strict=True):
        parts, _ = ndimage.label(inside.numpy(), WHOLE)
        for number in range(slices):
            for found in filter(None, ndimage.find_objects(parts[..., number])):
                low, high = np.array([(axis.start, axis.stop) for axis in found]).T
                low, high = np.maximum(low - step, 0), np.minimum(high + step, (columns, rows))
                prompts.append(Prompt(region, number, (*low.tolist(), *high.tolist())))
    return prompts


def grey_of(volume: Tensor) -> np.ndarray:
    """Map a modality to grey values as in the published preparation of MR images.

    From the percentiles 0.5 and 99.5 of all voxels that are not 0 to 0 and 255, without decimals; 0 stays 0.

    Args:
        volume: (x, y, z).

    Returns:
        The same shape, uint8.
    """
    values = volume.numpy().astype(np.float64)
    inside = values != 0
    low, high = np.percentile(values[inside], (0.5, 99.5))
    scaled = 255 * (np.clip(values, low, high) - low) / max(high - low, 1e-8)
    return np.where(inside, scaled, 0).astype(np.uint8)
