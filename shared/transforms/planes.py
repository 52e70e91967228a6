"""Axial, coronal and sagittal planes of a volume in radiological display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "PLANES",
    "GreyValues",
    "Planes",
    "best_to_show",
    "colour_of",
    "mark_sides",
    "name_classes",
    "paint_classes",
]

COLOURS = ("#56B4E9", "#F0E442", "#D55E00", "#009E73", "#CC79A7", "#0072B2", "#E69F00")  # Okabe and Ito, 2008
# plane: the canonical axes (x to the right, y to the front, z up) that run across and down the picture, both reversed,
# and the letters at its left, right and top
PLANES = {"axial": (0, 1, "RLA"), "coronal": (0, 2, "RLS"), "sagittal": (1, 2, "APS")}
MARGIN = 3  # voxels around the brain
SHOWS_MOST = "flair"  # oedema, the largest part of most brain tumours, is bright there


class Planes:
    """One slice along every axis of a volume, in radiological display: the patient's right is on the left.

    Args:
        affine: (4, 4), voxel indices to millimetres; gives the orientation of the patient.
        around: boolean (x, y, z), how far the planes reach, plus a margin; an empty one means everywhere.
        through: boolean (x, y, z); every plane goes through the slice that holds most of it, of equal ones the middle.
    """

    def __init__(self, affine: Tensor, around: Tensor, through: Tensor) -> None:
        affine = affine.cpu().numpy()
        self.orientation = nibabel.io_orientation(affine)
        upright = self._upright(around)
        self.box = _box_around(upright)
        self.slices = _fullest_slices(self._upright(through)[self.box])
        self.spacing_mm = nibabel.affines.voxel_sizes(affine)[np.argsort(self.orientation[:, 0])]
        self.sizes_mm = np.array(upright[self.box].shape) * self.spacing_mm

    def cut(self, volume: Tensor, plane: str) -> np.ndarray:
        """Cut a plane out of (x, y, z) and lay it as it is shown: rows from the top down, columns from the left on."""
        across, down, _ = PLANES[plane]
        (through,) = {0, 1, 2} - {across, down}
        return np.take(self._upright(volume)[self.box], self.slices[through], axis=through).T[::-1, ::-1]

    def geometry(self, plane: str) -> dict[str, Any]:
        """Return what `imshow` needs so that sizes are in proportion to millimetres."""
        across, down, _ = PLANES[plane]
        return {"aspect": float(self.spacing_mm[down] / self.spacing_mm[across]), "interpolation": "nearest"}

    def _upright(self, volume: Tensor) -> np.ndarray:
        """Turn and flip (x, y, z) so that the axes point to the patient's right, front and top as nearly as can be."""
        return nibabel.orientations.apply_orientation(np.asarray(volume.detach().cpu()), self.orientation)


def _box_around(inside: np.ndarray) -> tuple[slice, ...]:
    if not inside.any():
        return tuple(slice(0, size + MARGIN + 1) for size in inside.shape)
    box = []
    for axis in range(inside.ndim):
        places = np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis})))
        box.append(slice(max(int(places[0]) - MARGIN, 0), int(places[-1]) + MARGIN + 1))
    return tuple(box)


def _fullest_slices(mask: np.ndarray) -> list[int]:
    counts = [mask.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    fullest = [np.flatnonzero(count == count.max()) for count in counts]
    return [int(places[len(places) // 2]) for places in fullest]


class GreyValues:
    """Spread the brain's values, without their last percents, over [0, 1]; air becomes 0.

    Args:
        image: (x, y, z).
        brain: boolean, same shape.
    """

    def __init__(self, image: Tensor, brain: Tensor) -> None:
        self.image, self.brain = image, brain
        values = image.detach().cpu().numpy()[brain.cpu().numpy()]
        self.low, self.high = np.percentile(values, [0.5, 99.5], overwrite_input=True) if len(values) else (0, 1)

    def cut(self, planes: Planes, plane: str) -> np.ndarray:
        """Cut a plane, as `Planes.cut` does, and spread its values."""
        values, inside = planes.cut(self.image, plane), planes.cut(self.brain, plane)
        return np.where(inside, np.clip((values - self.low) / max(self.high - self.low, 1e-6), 0, 1), 0)


def best_to_show(modalities: Sequence[str], present: Sequence[int]) -> int:
    """Return the number of the modality that a segmentation is drawn on: FLAIR if it is there, else the first one.

    Args:
        modalities: names of all modalities.
        present: numbers of those that are there, at least one.
    """
    return next((number for number in present if modalities[number].lower() == SHOWS_MOST), present[0])


def name_classes(figure: Figure, class_names: Sequence[str]) -> None:
    """Put the legend of the classes, from 1 on, below a figure."""
    from matplotlib.patches import Patch

    patches = [Patch(color=colour_of(value), label=name) for value, name in enumerate(class_names, start=1)]
    figure.legend(handles=patches, loc="lower center", ncols=min(4, len(patches)), frameon=False)


def colour_of(value: int) -> str:
    return COLOURS[(value - 1) % len(COLOURS)]


def paint_classes(ax: Axes, classes: np.ndarray, geometry: dict) -> None:
    """Tint every class and draw its outline."""
    from matplotlib.colors import to_rgba

    tint = np.zeros((*classes.shape, 4))
    for value in np.unique(classes[classes > 0]).astype(int):
        tint[classes == value] = to_rgba(colour_of(value), alpha=0.4)
        if min(classes.shape) > 1:
            ax.contour(classes == value, levels=[0.5], colors=[colour_of(value)], linewidths=0.8)
    ax.imshow(tint, **geometry)


def mark_sides(ax: Axes, letters: str) -> None:
    """Write at the left, right and top where the patient's right, left and so on are; remove the ticks."""
    style = {"color": "white", "va": "top", "fontsize": 8, "transform": ax.transAxes}
    style["bbox"] = {"facecolor": "black", "alpha": 0.6, "pad": 0.8, "linewidth": 0}
    for letter, (x, y), side in zip(
        letters, [(0.02, 0.5), (0.98, 0.5), (0.5, 0.98)], ["left", "right", "center"], strict=True
    ):
        ax.text(x, y, letter, ha=side, **style)
    ax.set_facecolor("black")
    ax.set_xticks([])
    ax.set_yticks([])
