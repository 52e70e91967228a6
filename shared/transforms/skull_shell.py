"""Find a skull that was not removed by the dark shell that bone makes between scalp and brain."""

from __future__ import annotations

import numpy as np
from monai.data.utils import affine_to_spacing
from scipy import ndimage
from torch import Tensor

from ..errors import InputError

__all__ = ["Shells", "check_skull", "darkest_shell"]

MOST = 0.6  # heads with a skull have 0.2 to 0.35, stripped brains of 15 patients (BraTS 2018) 0.8 and more
EDGE_MM, SHELL_MM = 3.0, 3.0  # voxels are left out until they are as large; thickness of a shell
DEEPEST_DARK, DEEPEST = 8, 11  # bone is in the first 8 shells, 24 mm; brain is in the first 11
FEWEST = 30  # voxels of a shell


class Shells:
    """Shells of 3 mm that follow the surface of what is not air, in its upper half: a face or a neck has no shells.

    Args:
        not_air: (x, y, z), boolean; its holes are filled.
        affine: (4, 4), voxel to world in millimetres.
    """

    def __init__(self, not_air: np.ndarray, affine: np.ndarray) -> None:
        edges = affine_to_spacing(affine)
        steps = np.maximum(1, (EDGE_MM / edges + 0.01).astype(int))
        self.thinned = tuple(slice(None, None, step) for step in steps)
        self.not_air = not_air[self.thinned]
        inside = _filled(self.not_air)
        height = np.einsum("i,ixyz->xyz", affine[2, :3] * steps, np.indices(inside.shape))
        self.upper = inside & (height > height[inside].mean()) if inside.any() else inside
        depth_mm = ndimage.distance_transform_edt(inside, sampling=edges * steps)[self.upper]
        self.shells = (depth_mm / SHELL_MM).astype(int)

    def means(self, voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean of the voxels (x, y, z) above air in the 11 outer shells, and how many each has."""
        voxels = voxels[self.thinned].astype(float)
        values = voxels[self.upper] - (voxels[~self.not_air].mean() if (~self.not_air).any() else 0.0)
        counts = np.bincount(self.shells, minlength=DEEPEST)[:DEEPEST]
        sums = np.bincount(self.shells, weights=values, minlength=DEEPEST)[:DEEPEST]
        return sums / np.maximum(1, counts), counts


def check_skull(shells: Shells, voxels: Tensor, source: str) -> None:
    """Refuse a modality in which a dark shell is below a bright one, as bone is below the scalp.

    Args:
        shells: those of the modality's voxels that are not air.
        voxels: (*spatial), values of the modality.
        source: name of the file.

    Raises:
        InputError: the darkest shell has less than 0.6 of the brightness of both its sides.
    """
    share, depth_mm = darkest_shell(shells, voxels.cpu().numpy())
    if share < MOST:
        raise InputError(
            f"{source}: {depth_mm:.0f} mm below the surface it is {share:.2f} times as bright as above and below, as "
            f"bone is ({MOST:g} at least in a brain without skull); remove the skull (see the README), or if there is "
            "none, --checks \"{'skull': False}\"."
        )


def darkest_shell(shells: Shells, voxels: np.ndarray) -> tuple[float, float]:
    """Return how dark the darkest shell is, as a share of the brighter ones around it, and its depth in millimetres.

    In a brain brightness rises or falls from the surface inwards, so that no shell is darker than both its sides; 1
    then.

    Args:
        shells: those of what is not air.
        voxels: (x, y, z).
    """
    means, counts = shells.means(voxels)
    known = np.flatnonzero(counts >= FEWEST)
    darkest = (1.0, 0.0)
    for place in known[1:-1]:
        sides = min(means[known[known < place]].max(), means[known[known > place]].max())
        if place < DEEPEST_DARK and sides > 0:
            darkest = min(darkest, (float(means[place] / sides), (place + 0.5) * SHELL_MM))
    return darkest


def _filled(mask: np.ndarray) -> np.ndarray:
    """Fill the holes of every slice along every axis, and keep the largest part: bone may have been set to 0."""
    filled = np.zeros_like(mask)
    for axis in range(mask.ndim):
        slices = np.stack([ndimage.binary_fill_holes(part) for part in np.moveaxis(mask, axis, 0)])
        filled |= np.moveaxis(slices, 0, axis)
    parts, number = ndimage.label(filled)
    return parts == 1 + np.bincount(parts[parts > 0] - 1).argmax() if number > 1 else filled
