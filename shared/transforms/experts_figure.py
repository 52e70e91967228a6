"""Draw what each expert says next to the fusion and the region map."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from monai.data import MetaTensor
from torch import Tensor

from .brain_mask import brain_of_normalized
from .planes import PLANES, GreyValues, Planes, best_to_show, mark_sides, name_classes, paint_classes
from .segment_on_grid import segment_on_grid
from .split_experts import Experts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_experts"]

PLANE = "axial"
PANEL_INCHES = 2.3


def draw_experts(
    image: MetaTensor,
    segmentation: Tensor,
    experts: Experts,
    path: str | os.PathLike,
    *,
    modalities: Sequence[str],
    class_names: Sequence[str],
    title: str = "",
) -> None:
    """Write a PNG of one plane: every modality, below it its expert's segmentation; at the right fusion and region map.

    The axial slice with most segmented voxels, displayed as by `draw_overlay`. A modality that is absent has an empty
    panel that says so. Above each expert are its weight and its agreement with the others.

    Args:
        image: (M, *spatial), 3D, 0 outside the brain, NaN where a modality is absent.
        segmentation: (1, *spatial), classes of the fusion, on the image's grid.
        experts: of the same case, on any grid.
        path: of the PNG; written in place.
        modalities: names of the image's channels.
        class_names: names of the classes from 1 on.
        title: heading.
    """
    cut = _cut(image, segmentation, experts)
    _draw(path, cut, experts, modalities, class_names, title)


class _Cut(NamedTuple):
    """One slice of everything that is drawn, as it is laid."""

    greys: dict[int, np.ndarray]  # by the number of the modality
    experts: dict[int, np.ndarray]
    fusion: np.ndarray
    region: np.ndarray | None
    geometry: dict[str, Any]  # for `imshow`


def _cut(image: MetaTensor, segmentation: Tensor, experts: Experts) -> _Cut:
    present = experts.present.nonzero().flatten().tolist()
    brains = {number: brain_of_normalized(image[number]) for number in present}
    segmented = segmentation[0] > 0
    around = torch.stack(list(brains.values())).any(dim=0) | segmented
    planes = Planes(image.affine, around, segmented if segmented.any() else brains[present[0]])

    def on_grid(logits: Tensor) -> tuple[Tensor, Tensor]:
        return segment_on_grid(logits, experts.affine, image.affine, image.shape[1:])

    region = None
    if experts.region is not None:  # as the second of two classes
        classes, uncertainty = on_grid(_log(torch.cat([1 - experts.region, experts.region])))
        region = planes.cut(torch.where(classes > 0, 1 - uncertainty, uncertainty)[0], PLANE)
    return _Cut(
        greys={m: GreyValues(image[m], brains[m]).cut(planes, PLANE) for m in present},
        experts={m: planes.cut(on_grid(_log(experts.probabilities[m]))[0][0], PLANE) for m in present},
        fusion=planes.cut(segmentation[0], PLANE),
        region=region,
        geometry=planes.geometry(PLANE),
    )


def _draw(
    path: str | os.PathLike,
    cut: _Cut,
    experts: Experts,
    modalities: Sequence[str],
    class_names: Sequence[str],
    title: str,
) -> None:
    """Draw a column per modality, and one for fusion and region map; places are computed as in `draw_overlay`."""
    from matplotlib.figure import Figure

    shown = best_to_show(modalities, list(cut.greys))
    grey = cut.greys[shown]
    panel_height = max(0.5, PANEL_INCHES * grey.shape[0] * cut.geometry["aspect"] / grey.shape[1])
    columns = len(modalities) + 1
    width, height = PANEL_INCHES * columns + 0.9, 2 * panel_height + 1.6
    figure = Figure(figsize=(width, height))
    edges = {"left": 0.1 / width, "right": 1 - 0.8 / width, "bottom": 0.45 / height, "top": 1 - 0.65 / height}
    axes = figure.subplots(2, columns, gridspec_kw={**edges, "wspace": 0.03, "hspace": 0.5 / panel_height})
    for number, (above, below) in enumerate(axes.T[:-1]):
        if number in cut.greys:
            _panel(above, cut, cut.greys[number], None, modalities[number])
            heading = f"{modalities[number]} expert{_numbers(experts, number)}"
            _panel(below, cut, cut.greys[number], cut.experts[number], heading)
        else:
            for ax in (above, below):
                _empty(ax, cut, f"{modalities[number]}\nabsent")
    _panel(axes[0, -1], cut, grey, cut.fusion, f"fusion, on {modalities[shown]}")
    if cut.region is None:
        _empty(axes[1, -1], cut, "no region map")
    else:
        shades = axes[1, -1].imshow(cut.region, cmap="viridis", vmin=0, vmax=1, **cut.geometry)
        axes[1, -1].set_title("region map", fontsize=9)
        mark_sides(axes[1, -1], PLANES[PLANE][2])
        bar = figure.add_axes((edges["right"] + 0.1 / width, edges["bottom"], 0.12 / width, panel_height / height))
        figure.colorbar(shades, cax=bar, label="probability of the foreground")
    name_classes(figure, class_names)
    figure.suptitle(title, y=1 - 0.08 / height, va="top")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _numbers(experts: Experts, number: int) -> str:
    """Return weight and agreement of one expert as the rest of a heading, without those that there are not."""
    columns = {"weight": experts.weights, "agrees": experts.agreement, "in region": experts.region_agreement}
    values = {name: float(column[number]) for name, column in columns.items() if column is not None}
    weight, *agreement = [f"{name} {value:.2f}" * (not np.isnan(value)) for name, value in values.items()]
    return (f", {weight}" if weight else "") + f"\n{', '.join(filter(None, agreement))}".rstrip()


def _panel(ax: Axes, cut: _Cut, grey: np.ndarray, classes: np.ndarray | None, heading: str) -> None:
    ax.imshow(grey, cmap="gray", vmin=0, vmax=1, **cut.geometry)
    if classes is not None:
        paint_classes(ax, classes, cut.geometry)
    ax.set_title(heading, fontsize=9)
    mark_sides(ax, PLANES[PLANE][2])


def _empty(ax: Axes, cut: _Cut, text: str) -> None:
    """Leave a panel black, with a text."""
    ax.imshow(np.zeros_like(cut.fusion, float), cmap="gray", vmin=0, vmax=1, **cut.geometry)
    ax.text(0.5, 0.5, text, color="white", ha="center", va="center", transform=ax.transAxes)
    ax.set_xticks([])
    ax.set_yticks([])


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp(min=1e-6).log()
