"""Draw the regions and objects of a 2D image over it, so that a person can check them."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from .tinted_regions import region_colour, tinted_objects, tinted_regions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = ["draw_picture_overlay"]

LONGEST_SIDE = 2000  # pixels of a panel; larger images are drawn smaller
PANEL_INCHES = 5.0
BAR_SHARE = 0.25  # longest scale bar, as a share of the image's width


def draw_picture_overlay(
    image: Tensor,
    segmentation: Tensor,
    path: str | os.PathLike,
    *,
    region_names: Sequence[str],
    pixel_size_um: float | None,
    uncertainty: Tensor | None = None,
    instances: Tensor | None = None,
    reference: Tensor | None = None,
    reference_instances: Tensor | None = None,
    title: str = "",
) -> None:
    """Write a PNG of panels: image, regions, objects, their references and uncertainty, as far as they are given.

    Regions, but for the first, which is the ground, and objects are tinted and outlined. Objects that touch or nearly
    do have different colours; a colour means nothing else. An image longer than 2000 pixels is drawn at 2000.

    Args:
        image: (3, H, W) or (1, H, W), in [0, 1].
        segmentation: (1, H, W), regions 0, 1, ...
        path: of the PNG; written in place.
        region_names: names of the regions from 0 on.
        pixel_size_um: length of a pixel's side in micrometres, for the scale bar; None for no bar.
        uncertainty: (1, H, W), 1 - probability of the region shown.
        instances: (1, H, W), objects' numbers, 0 where there is none.
        reference: (1, H, W), true regions.
        reference_instances: (1, H, W), true objects.
        title: heading.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"image must be (3, H, W) or (1, H, W), got shape {tuple(image.shape)}.")
    image = image.detach().as_subclass(Tensor)
    low, high = float(image.min()), float(image.max())
    if not (low >= -0.01 and high <= 1.01):
        raise ValueError(f"image must be in [0, 1] to be shown, got values from {low:g} to {high:g}.")
    layers = {"segmentation": segmentation, "uncertainty": uncertainty, "instances": instances}
    layers |= {"reference": reference, "reference_instances": reference_instances}
    for name, layer in layers.items():
        if layer is not None and tuple(layer.shape) != (1, *image.shape[1:]):
            on_grid = (1, *image.shape[1:])
            raise ValueError(f"{name} must be (1, H, W) = {on_grid} as the image, got shape {tuple(layer.shape)}.")
    size = _drawn_size(image.shape[1:])
    shown = adaptive_avg_pool2d(image.float(), size).clamp(0, 1).expand(3, -1, -1).permute(1, 2, 0).cpu().numpy()
    panels = {"image": shown, "regions": tinted_regions(shown, _sampled(segmentation, size))}
    if reference is not None:
        panels["reference regions"] = tinted_regions(shown, _sampled(reference, size))
    for name, objects in {"objects": instances, "reference objects": reference_instances}.items():
        if objects is not None:
            count = np.count_nonzero(np.unique(objects.detach().as_subclass(Tensor).cpu().numpy()))
            panels[f"{name}: {count}"] = tinted_objects(shown, _sampled(objects, size))
    if uncertainty is not None:
        unsure = adaptive_avg_pool2d(uncertainty.detach().as_subclass(Tensor).float(), size)[0].cpu().numpy()
        panels["uncertainty"] = unsure
    drawn_pixel_um = None if pixel_size_um is None else pixel_size_um * max(image.shape[1:]) / max(size)
    _draw(path, panels, region_names, drawn_pixel_um, title)


def _drawn_size(size: Sequence[int]) -> tuple[int, int]:
    scale = min(1.0, LONGEST_SIDE / max(size))
    height, width = (max(1, round(length * scale)) for length in size)
    return height, width


def _sampled(layer: Tensor, size: tuple[int, int]) -> np.ndarray:
    """Take the values at the centres of the drawn pixels."""
    layer = layer.detach().as_subclass(Tensor)[0].cpu()
    rows, columns = (
        ((torch.arange(drawn) + 0.5) * (length / drawn)).long() for drawn, length in zip(size, layer.shape, strict=True)
    )
    return layer[rows][:, columns].numpy()


def _draw(
    path: str | os.PathLike,
    panels: dict[str, np.ndarray],
    region_names: Sequence[str],
    pixel_um: float | None,
    title: str,
) -> None:
    """Lay the panels out in one row, or in two from four on.

    Places are computed here: Matplotlib's layout engines move things by a rounding error from run to run.
    """
    from matplotlib.figure import Figure

    drawn = next(iter(panels.values())).shape[:2]
    columns = len(panels) if len(panels) < 4 else math.ceil(len(panels) / 2)
    rows = math.ceil(len(panels) / columns)
    across, down = (max(0.5, PANEL_INCHES * length / max(drawn)) for length in drawn[::-1])
    gap, heading, top, bottom, right = 0.12, 0.3, 0.35, 0.45, 1.5
    width = gap + columns * (across + gap) + right
    height = top + rows * (heading + down) + bottom
    pixels = max(drawn) * max(1, round(800 / max(drawn)))
    figure = Figure(figsize=(width, height), dpi=pixels / PANEL_INCHES)
    for index, (name, panel) in enumerate(panels.items()):
        panel = panel if panel.ndim == 2 else (255 * panel).round().astype(np.uint8)
        row, column = divmod(index, columns)
        left, low = gap + column * (across + gap), bottom + (rows - 1 - row) * (heading + down)
        ax = figure.add_axes((left / width, low / height, across / width, down / height))
        shades = ax.imshow(
            panel, cmap="inferno", vmin=0, vmax=1 - 1 / len(region_names), interpolation="nearest", aspect="equal"
        )
        ax.set_title(name, fontsize=10, pad=4)
        ax.set_xticks([])
        ax.set_yticks([])
        if name == "image" and pixel_um is not None:
            _scale_bar(ax, drawn, pixel_um)
        if panel.ndim == 2:
            place = ((left + across + 0.1) / width, low / height, 0.15 / width, down / height)
            _explain_uncertainty(figure, shades, place, len(region_names))
    _name_regions(figure, region_names)
    figure.suptitle(title, y=1 - 0.1 / height, va="top", fontsize=12)
    figure.savefig(path, metadata={"Software": None})


def _explain_uncertainty(
    figure: Figure, shades: AxesImage, place: tuple[float, float, float, float], regions: int
) -> None:
    """Write a scale in words next to the last panel."""
    chances = {0: "0: sure", 0.25: "0.25: wrong one\ntime in four", 0.5: "0.5: wrong every\nsecond time"}
    guess = 1 - 1 / regions
    chances = {at: text for at, text in chances.items() if at < guess - 0.05} | {guess: f"{guess:.2f}: a guess"}
    bar = figure.colorbar(shades, cax=figure.add_axes(place), ticks=list(chances))
    bar.ax.set_yticklabels(chances.values(), fontsize=8)


def _name_regions(figure: Figure, region_names: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    ground, *others = region_names
    patches = [Patch(facecolor="none", edgecolor="grey", label=f"{ground} (not tinted)")]
    patches += [Patch(color=region_colour(value), label=name) for value, name in enumerate(others, start=1)]
    figure.legend(handles=patches, loc="lower center", ncols=len(patches), frameon=False, fontsize=10)


def _scale_bar(ax: Axes, drawn: tuple[int, int], pixel_um: float) -> None:
    """Draw a bar of 1, 2 or 5 times a power of ten in the lower left corner."""
    from matplotlib.patches import Rectangle

    length_um = _round_length(BAR_SHARE * drawn[1] * pixel_um)
    length, thickness, margin = length_um / pixel_um, max(drawn) / 100, max(drawn) / 40
    corner = (margin - 0.5, drawn[0] - 0.5 - margin - thickness)
    ax.add_patch(Rectangle(corner, length, thickness, facecolor="white", edgecolor="black", linewidth=0.6))
    style = {"color": "white", "fontsize": 8, "ha": "center", "va": "bottom"}
    style["bbox"] = {"facecolor": "black", "alpha": 0.6, "pad": 0.8, "linewidth": 0}
    ax.text(corner[0] + length / 2, corner[1] - margin / 2, f"{length_um:g} \N{MICRO SIGN}m", **style)


def _round_length(longest: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, ... (or 0.5, 0.2, ...) that is not longer."""
    power = 10.0 ** math.floor(math.log10(longest))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= longest)
