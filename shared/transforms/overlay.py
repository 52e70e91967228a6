"""Draw a segmentation over its image, so that a person can check it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import nibabel
import numpy as np
from monai.data import MetaTensor
from torch import Tensor

from ..networks.present_modalities import present_modalities
from .brain_mask import brain_of_normalized
from .planes import (
    PLANES,
    box_around,
    canonical,
    fullest_slices,
    grey_values,
    mark_sides,
    name_classes,
    paint_classes,
    view,
)

__all__ = ["draw_overlay"]

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
    Of the image, the first modality that is there is shown; those that are absent are named below the heading.

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
    brain = canonical(brain_of_normalized(shown), orientation)
    layers = {"segmentation": segmentation, "reference": label, "uncertainty": uncertainty}
    layers = {name: canonical(layer[0], orientation) for name, layer in layers.items() if layer is not None}
    tumour = layers["segmentation"] > 0
    box = box_around(brain | tumour)
    layers = {name: layer[box] for name, layer in layers.items()}
    grey = grey_values(canonical(shown, orientation), brain)[box]
    slices = fullest_slices((tumour if tumour.any() else brain)[box])

    absent = [name for number, name in enumerate(modalities) if number not in present]
    headings = [title, f"absent: {', '.join(absent)}" if absent else ""]
    _draw(path, {modalities[present[0]]: grey, **layers}, spacing_mm, slices, class_names, headings)


def _draw(
    path: str | os.PathLike,
    layers: dict[str, np.ndarray],
    spacing_mm: np.ndarray,
    slices: list[int],
    class_names: Sequence[str],
    headings: Sequence[str],
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
            ax.imshow(view(grey, plane, slices), cmap="gray", vmin=0, vmax=1, **geometry)
            if name == "uncertainty":
                limits = {"vmin": 0, "vmax": 1 - 1 / (1 + len(class_names))}
                shades = ax.imshow(view(layer, plane, slices), cmap="inferno", **limits, **geometry)
            elif layer is not grey:
                paint_classes(ax, view(layer, plane, slices), geometry)
            mark_sides(ax, letters)
            if plane == "axial":
                ax.set_title(name)
    if "uncertainty" in layers:
        bar = figure.add_axes((edges["right"] + 0.1 / width, 0.25, 0.15 / width, 0.5))
        figure.colorbar(shades, cax=bar, label="1 - probability of the class shown")
    name_classes(figure, class_names)
    figure.suptitle(headings[0], y=1 - 0.1 / height, va="top")
    figure.text(0.5, 1 - 0.3 / height, headings[1], ha="center", va="top", fontsize=9)
    figure.savefig(path, dpi=110, metadata={"Software": None})
