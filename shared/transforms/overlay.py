"""Draw a segmentation over its image, so that a person can check it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from monai.data import MetaTensor
from torch import Tensor

from ..networks.present_modalities import present_modalities
from .brain_mask import brain_of_normalized
from .planes import PLANES, GreyValues, Planes, best_to_show, mark_sides, name_classes, paint_classes

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
    absent: Sequence[str] = (),
    title: str = "",
) -> None:
    """Write a PNG of three planes: image, segmentation, reference and uncertainty as far as they are given.

    Every plane goes through the slice with most segmented voxels (where nothing is segmented: with most brain), in
    radiological display: the patient's right is on the left, front and top are up, sizes in proportion to millimetres.
    Of the image, FLAIR is shown; without FLAIR it is the first modality that is there. Absent ones are named below the
    heading.

    Args:
        image: (M, *spatial), 3D, 0 outside the brain, NaN where a modality is absent; its affine says how the patient
            lies.
        segmentation: (1, *spatial), classes; on the image's grid, like those that follow.
        path: of the PNG; written in place.
        modalities: names of the image's channels.
        class_names: names of the classes from 1 on.
        uncertainty: (1, *spatial), 1 - probability of the predicted class.
        label: (1, *spatial), true classes.
        absent: names of further modalities that are absent.
        title: heading.
    """
    present = [number for number, channel in enumerate(image) if present_modalities(channel[None, None])]
    if image.ndim != 4 or not present:
        raise ValueError(f"image must be (M, *spatial) in 3D with a modality free of NaN, got {tuple(image.shape)}.")
    number = best_to_show(modalities, present)
    shown, segmented = image[number], segmentation[0] > 0
    brain = brain_of_normalized(shown)
    planes = Planes(image.affine, brain | segmented, segmented if segmented.any() else brain)
    layers = {"segmentation": segmentation, "reference": label, "uncertainty": uncertainty}
    layers = {name: layer[0] for name, layer in layers.items() if layer is not None}
    absent = [*(name for number, name in enumerate(modalities) if number not in present), *absent]
    headings = [title, f"absent: {', '.join(absent)}" if absent else ""]
    _draw(path, planes, {modalities[number]: GreyValues(shown, brain), **layers}, class_names, headings)


def _draw(
    path: str | os.PathLike,
    planes: Planes,
    layers: dict[str, Tensor | GreyValues],
    class_names: Sequence[str],
    headings: Sequence[str],
) -> None:
    """Draw a column per layer, the image first, and a row per plane.

    Places are computed here: Matplotlib's layout engines move things by a rounding error from run to run.
    """
    from matplotlib.figure import Figure

    grey = next(iter(layers.values()))
    inches_per_mm = PANEL_INCHES / max(planes.sizes_mm[across] for across, _, _ in PLANES.values())
    heights = [max(0.5, planes.sizes_mm[down] * inches_per_mm) for _, down, _ in PLANES.values()]
    width, height = 0.4 + PANEL_INCHES * len(layers) + 0.9, 0.7 + sum(heights) + 0.5
    edges = {"left": 0.4 / width, "right": 1 - 0.9 / width, "bottom": 0.5 / height, "top": 1 - 0.7 / height}
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(
        3, len(layers), gridspec_kw={**edges, "height_ratios": heights, "wspace": 0.03, "hspace": 0.03}
    )
    for row, (plane, (_, _, letters)) in zip(axes, PLANES.items(), strict=True):
        row[0].set_ylabel(plane)
        geometry = planes.geometry(plane)
        for ax, (name, layer) in zip(row, layers.items(), strict=True):
            ax.imshow(grey.cut(planes, plane), cmap="gray", vmin=0, vmax=1, **geometry)
            if name == "uncertainty":
                limits = {"vmin": 0, "vmax": 1 - 1 / (1 + len(class_names))}
                shades = ax.imshow(planes.cut(layer, plane), cmap="inferno", **limits, **geometry)
            elif layer is not grey:
                paint_classes(ax, planes.cut(layer, plane), geometry)
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
