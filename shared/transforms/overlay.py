"""Draw a segmentation over its image, so that a person can check it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import nibabel
import numpy as np
from monai.data import MetaTensor
from torch import Tensor

from ..networks.present_modalities import present_modalities
from .brain_mask import brain_of_normalized

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_overlay"]

COLOURS = ("#56B4E9", "#F0E442", "#D55E00", "#009E73", "#CC79A7", "#0072B2", "#E69F00")  # Okabe and Ito, 2008
# plane: the canonical axes (x to the right, y to the front, z up) that run across and down the picture, both reversed,
# and the letters at its left, right and top
PLANES = {"axial": (0, 1, "RLA"), "coronal": (0, 2, "RLS"), "sagittal": (1, 2, "APS")}
MARGIN = 3  # voxels around the brain
PANEL_INCHES = 2.7


def draw_overlay(
    image: MetaTensor,
    segmentation: Tensor,
    path: str | os.PathLike,
    *,
    modalities: Sequence[str],
    class_names: Sequence[str],
    uncertainty: Tensor | None = None,
    label: Tensor | None = None,
    title: str = "",
) -> None:
    """Write a PNG of three planes: image, segmentation, reference and uncertainty as far as they are given.

    Every plane goes through the slice with most segmented voxels (where nothing is segmented: with most brain), in
    radiological display: the patient's right is on the left, front and top are up, sizes in proportion to millimetres.
    Of the image, the first modality that is there is shown.

    Args:
        image: (M, *spatial), 3D, 0 outside the brain, NaN where a modality is absent; its affine says how the patient
            lies.
        segmentation: (1, *spatial), classes; on the image's grid, like those that follow.
        path: of the PNG; written in place.
        modalities: names of the image's channels.
        class_names: names of the classes from 1 on.
        uncertainty: (1, *spatial), 1 - probability of the predicted class.
        label: (1, *spatial), true classes.
        title: heading.
    """
    present = present_modalities(image.unsqueeze(0)).squeeze(0).nonzero().flatten().tolist()
    if image.ndim != 4 or not present:
        raise ValueError(f"image must be (M, *spatial) in 3D with a modality free of NaN, got {tuple(image.shape)}.")
    shown, affine = image[present[0]], image.affine.cpu().numpy()
    orientation = nibabel.io_orientation(affine)
    spacing_mm = nibabel.affines.voxel_sizes(affine)[np.argsort(orientation[:, 0])]
    brain = _canonical(brain_of_normalized(shown), orientation)
    layers = {"segmentation": segmentation, "reference": label, "uncertainty": uncertainty}
    layers = {name: _canonical(layer[0], orientation) for name, layer in layers.items() if layer is not None}
    tumour = layers["segmentation"] > 0
    box = _box(brain | tumour)
    layers = {name: layer[box] for name, layer in layers.items()}
    grey = _grey(_canonical(shown, orientation), brain)[box]
    slices = _fullest_slices((tumour if tumour.any() else brain)[box])

    _draw(path, {modalities[present[0]]: grey, **layers}, spacing_mm, slices, class_names, title)


def _draw(
    path: str | os.PathLike,
    layers: dict[str, np.ndarray],
    spacing_mm: np.ndarray,
    slices: list[int],
    class_names: Sequence[str],
    title: str,
) -> None:
    """Draw a column per layer, the first of which is the image, and a row per plane.

    Places are computed here: Matplotlib's layout engines move things by a rounding error from run to run.
    """
    from matplotlib.figure import Figure

    grey = next(iter(layers.values()))
    sizes_mm = np.array(grey.shape) * spacing_mm
    inches_per_mm = PANEL_INCHES / max(sizes_mm[across] for across, _, _ in PLANES.values())
    heights = [max(0.5, sizes_mm[down] * inches_per_mm) for _, down, _ in PLANES.values()]
    width, height = 0.4 + PANEL_INCHES * len(layers) + 0.9, 0.7 + sum(heights) + 0.5
    edges = {"left": 0.4 / width, "right": 1 - 0.9 / width, "bottom": 0.5 / height, "top": 1 - 0.7 / height}
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(
        3, len(layers), gridspec_kw={**edges, "height_ratios": heights, "wspace": 0.03, "hspace": 0.03}
    )
    for row, (plane, (across, down, letters)) in zip(axes, PLANES.items(), strict=True):
        row[0].set_ylabel(plane)
        geometry = {"aspect": spacing_mm[down] / spacing_mm[across], "interpolation": "nearest"}
        for ax, (name, layer) in zip(row, layers.items(), strict=True):
            ax.imshow(_view(grey, plane, slices), cmap="gray", vmin=0, vmax=1, **geometry)
            if name == "uncertainty":
                limits = {"vmin": 0, "vmax": 1 - 1 / (1 + len(class_names))}
                shades = ax.imshow(_view(layer, plane, slices), cmap="inferno", **limits, **geometry)
            elif layer is not grey:
                _paint(ax, _view(layer, plane, slices), geometry)
            _mark(ax, letters)
            if plane == "axial":
                ax.set_title(name)
    if "uncertainty" in layers:
        bar = figure.add_axes((edges["right"] + 0.1 / width, 0.25, 0.15 / width, 0.5))
        figure.colorbar(shades, cax=bar, label="1 - probability of the class shown")
    _name_classes(figure, class_names)
    figure.suptitle(title, y=1 - 0.1 / height, va="top")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _name_classes(figure: Figure, class_names: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(color=_colour(value), label=name) for value, name in enumerate(class_names, start=1)]
    figure.legend(handles=patches, loc="lower center", ncols=min(4, len(patches)), frameon=False)


def _canonical(volume: Tensor, orientation: np.ndarray) -> np.ndarray:
    """Turn and flip (x, y, z) so that the axes point to the patient's right, front and top as nearly as they can."""
    return nibabel.orientations.apply_orientation(np.asarray(volume.detach().cpu()), orientation)


def _box(inside: np.ndarray) -> tuple[slice, ...]:
    """Return the part of the volume that a mask reaches, with a margin; all of it for an empty mask."""
    places = np.argwhere(inside) if inside.any() else np.array([[0, 0, 0], inside.shape])
    low, high = np.maximum(places.min(axis=0) - MARGIN, 0), places.max(axis=0) + MARGIN + 1
    return tuple(map(slice, low, high))


def _grey(image: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Spread the brain's values, without their last percents, over [0, 1]; air becomes 0."""
    low, high = np.percentile(image[brain], [0.5, 99.5]) if brain.any() else (0, 1)
    return np.where(brain, np.clip((image - low) / max(high - low, 1e-6), 0, 1), 0)


def _fullest_slices(mask: np.ndarray) -> list[int]:
    """Return, along every axis, the slice that holds most of the mask; of equal ones the middle one."""
    counts = [mask.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    fullest = [np.flatnonzero(count == count.max()) for count in counts]
    return [int(places[len(places) // 2]) for places in fullest]


def _view(volume: np.ndarray, plane: str, slices: list[int]) -> np.ndarray:
    """Cut a plane out and lay it as it is shown: rows from the top down, columns from the left on."""
    across, down, _ = PLANES[plane]
    (through,) = {0, 1, 2} - {across, down}
    return np.take(volume, slices[through], axis=through).T[::-1, ::-1]


def _colour(value: int) -> str:
    return COLOURS[(value - 1) % len(COLOURS)]


def _paint(ax: Axes, classes: np.ndarray, geometry: dict) -> None:
    """Tint every class and draw its outline."""
    from matplotlib.colors import to_rgba

    tint = np.zeros((*classes.shape, 4))
    for value in np.unique(classes[classes > 0]).astype(int):
        tint[classes == value] = to_rgba(_colour(value), alpha=0.4)
        if min(classes.shape) > 1:
            ax.contour(classes == value, levels=[0.5], colors=[_colour(value)], linewidths=0.8)
    ax.imshow(tint, **geometry)


def _mark(ax: Axes, letters: str) -> None:
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
