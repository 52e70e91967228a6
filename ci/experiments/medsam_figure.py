"""Draw MedSAM next to another method: modalities, MedSAM with its boxes, the method, the reference."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from ci.experiments.medsam_prompts import CLASSES, Prompt
from shared.transforms.planes import PLANES, colour_of, mark_sides, name_classes, paint_classes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_medsam"]

PANEL_INCHES = 2.3
MARGIN = 3  # voxels around the brain


def draw_medsam(
    path: str | os.PathLike,
    greys: Mapping[str, np.ndarray],
    segmentations: Mapping[str, Tensor],
    prompts: Sequence[Prompt],
    *,
    behind: str,
    spacing_mm: Sequence[float],
    class_names: Sequence[str],
    title: str = "",
) -> None:
    """Write a PNG of one axial slice, the one with most tumour in the reference.

    Args:
        path: of the PNG; written in place.
        greys: by modality (x, y, z), uint8, with the axes of the prompts.
        segmentations: by heading (x, y, z), classes: MedSAM first, the reference last.
        prompts: of all slices.
        behind: modality that is drawn behind the segmentations.
        spacing_mm: edges of a voxel.
        class_names: of the classes from 1 on.
        title: heading.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    reference = list(segmentations.values())[-1] > 0
    number = int(reference.sum((0, 1)).argmax()) if reference.any() else reference.shape[-1] // 2
    left, right, top, bottom = _around(np.stack([grey[..., number] for grey in greys.values()]).any(axis=0))
    geometry = {"aspect": float(spacing_mm[1] / spacing_mm[0]), "interpolation": "nearest"}
    columns = [*greys, *segmentations]
    panel_height = max(0.5, PANEL_INCHES * (bottom - top) * geometry["aspect"] / (right - left))
    width, height = PANEL_INCHES * len(columns) + 0.3, panel_height + 1.2
    figure = Figure(figsize=(width, height))
    edges = {"left": 0.15 / width, "right": 1 - 0.15 / width, "bottom": 0.45 / height, "top": 1 - 0.7 / height}
    axes = figure.subplots(1, len(columns), gridspec_kw={**edges, "wspace": 0.03})
    for ax, heading in zip(axes, columns, strict=True):
        _show(ax, greys.get(heading, greys[behind])[..., number], geometry)
        if heading in segmentations:
            paint_classes(ax, segmentations[heading][..., number].numpy().T, geometry)
        ax.set(title=heading, xlim=(left, right), ylim=(bottom, top))
    for prompt in prompts:
        if prompt.slice == number:
            first, low, last, high = np.array(prompt.box) - 0.5  # `imshow` has the middle of the first voxel at 0
            colour = colour_of(CLASSES[prompt.region])
            style = {"edgecolor": colour, "facecolor": "none", "linewidth": 1.2, "linestyle": "--"}
            axes[len(greys)].add_patch(Rectangle((first, low), last - first, high - low, **style))
    name_classes(figure, class_names)
    figure.suptitle(title, y=1 - 0.08 / height, va="top", fontsize=10)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _show(ax: Axes, grey: np.ndarray, geometry: Mapping[str, float | str]) -> None:
    ax.imshow(grey.T, cmap="gray", vmin=0, vmax=255, **geometry)
    mark_sides(ax, PLANES["axial"][2])


def _around(inside: np.ndarray) -> tuple[float, ...]:
    """Return left, right, top and bottom edge of what is True in (x, y), with a margin."""
    edges: list[float] = []
    for axis in range(2):
        places = np.flatnonzero(inside.any(axis=1 - axis)) if inside.any() else np.array([0, inside.shape[axis] - 1])
        edges += [max(places[0] - MARGIN, 0) - 0.5, min(places[-1] + MARGIN, inside.shape[axis] - 1) + 0.5]
    return tuple(edges)
