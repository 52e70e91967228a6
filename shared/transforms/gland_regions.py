"""Derive the regions of gland images (stroma, epithelium, lumen, contour) from outlined glands, all that was drawn."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import TransformBackends, convert_to_dst_type
from torch import Tensor

from ..errors import InputError
from .bright_lumen import bright_parts, density_threshold, optical_density
from .source_file import source_file

__all__ = ["GlandRegionsd", "gland_regions"]

STROMA, EPITHELIUM, LUMEN, CONTOUR = 0, 1, 2, 3
METHODS = ("bright", "ring")
RIM_UM = 5.0  # epithelium is at least this wide ...
RING_UM = 9.3  # ... and everywhere this wide in method "ring"
APART = 1.5  # pixels; nearer than this to the outside, one of the eight neighbours is outside


def gland_regions(
    image: Tensor, instances: Tensor, pixel_size_um: float, method: str = "bright", contour_um: float | None = None
) -> Tensor:
    """Divide glands into epithelium and lumen: 0 stroma (outside all glands), 1 epithelium, 2 lumen, 3 contour.

    The published annotations (GlaS) outline whole glands. BenTaieb & Hamarneh, MICCAI 2016, do not say how they came to
    the lumen that their losses need. Here there are two methods:

    - "bright": lumen, goblet cells included, is the bright part of a gland's inside. Its smoothed mean optical density
      over the colours, -ln((I + 1) / 256), is below 0.55 of Otsu's threshold over all gland pixels. The limit is at
      least 0.25 and at most 0.40: a gland without a bright inside has no lumen. The part is closed and opened, its
      holes are filled, small parts removed. Dark cells in a lumen that reach its wall, such as dead ones, count as
      epithelium.
    - "ring": lumen is the whole inside.

    The inside begins after a rim of epithelium along a gland's border, also where it meets another gland, but not
    where the image ends. So lumen never has stroma among its eight neighbours, at any pixel size.

    Args:
        image: (3, H, W), red, green, blue in [0, 1].
        instances: (1, H, W), number of the gland that a pixel belongs to, 0 for none.
        pixel_size_um: edge of a pixel in micrometres; all lengths are in this unit.
        method: "bright" or "ring".
        contour_um: width of the contour, the epithelium along a gland's border, which separates glands that touch;
            None for a map without it.

    Returns:
        (1, H, W), int8.
    """
    _check(image, instances, pixel_size_um, method, contour_um)
    glands = np.asarray(instances[0].cpu()).astype(np.int64)
    density = optical_density(np.asarray(image.cpu()), pixel_size_um) if method == "bright" else None
    threshold = density_threshold(density[glands > 0]) if method == "bright" and glands.any() else 0.0
    regions = np.where(glands > 0, EPITHELIUM, STROMA).astype(np.int8)
    for number, box in _boxes(glands):
        gland = glands[box] == number
        inside = _further_inside(gland, (RING_UM if method == "ring" else RIM_UM) / pixel_size_um)
        if method == "bright":
            inside = bright_parts(density[box] < threshold, gland, inside, pixel_size_um)
        regions[box][inside] = LUMEN
    if contour_um is not None:
        _draw_contours(regions, glands, contour_um / pixel_size_um)
    return torch.from_numpy(regions)[None]


class GlandRegionsd(MapTransform):
    """Dictionary version of `gland_regions`: add the label map unless one was loaded, whose values are then checked.

    Contours are drawn into a loaded map, too, where it has epithelium and glands are outlined. The label map is int8,
    the smallest type that all of MONAI's transforms take.

    Args:
        pixel_size_um: see `gland_regions`.
        method: see `gland_regions`.
        contour_um: see `gland_regions`.
        image_key: the picture.
        instances_key: the glands.
        label_key: where the label map is, or is put.
    """

    backend = [TransformBackends.NUMPY]

    def __init__(
        self,
        pixel_size_um: float,
        method: str = "bright",
        contour_um: float | None = None,
        image_key: KeysCollection = "image",
        instances_key: KeysCollection = "instances",
        label_key: KeysCollection = "label",
    ) -> None:
        super().__init__((image_key, instances_key, label_key), allow_missing_keys=True)
        _check_settings(pixel_size_um, method, contour_um)
        self.pixel_size_um, self.method, self.contour_um = pixel_size_um, method, contour_um

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image_key, instances_key, label_key = self.keys
        if label_key in data:
            label = _checked_label(data[label_key])
            if self.contour_um is not None and instances_key in data:
                label = _with_contours(label, data[instances_key], self.contour_um / self.pixel_size_um)
            return {**data, label_key: label}
        if instances_key not in data:
            raise InputError(
                f"case {data.get('case', '')}: has neither a region map nor outlined glands to derive one from; "
                "add its annotation (as in train_1_anno.bmp), or leave the case out."
            )
        instances = data[instances_key]
        regions = gland_regions(data[image_key], instances, self.pixel_size_um, self.method, self.contour_um)
        return {**data, label_key: convert_to_dst_type(regions, instances, dtype=torch.int8)[0]}


def _check_settings(pixel_size_um: float, method: str, contour_um: float | None) -> None:
    if isinstance(pixel_size_um, bool) or not isinstance(pixel_size_um, (int, float)) or not 0 < pixel_size_um < np.inf:
        raise InputError(f"pixel_size_um: give the edge of a pixel in micrometres, such as 0.62, not {pixel_size_um}.")
    if method not in METHODS:
        raise InputError(f"method {method!r} is unknown; choose {' or '.join(METHODS)}.")
    if contour_um is not None and not 0 < contour_um <= RIM_UM:
        raise InputError(f"contour_um: expected at most {RIM_UM:g} um, the rim's width, or None, got {contour_um}.")


def _check(image: Tensor, instances: Tensor, pixel_size_um: float, method: str, contour_um: float | None) -> None:
    _check_settings(pixel_size_um, method, contour_um)
    if image.ndim != 3 or image.shape[0] != 3 or instances.shape != (1, *image.shape[1:]):
        raise ValueError(
            f"image must be (3, H, W) and instances (1, H, W) of the same size, got {tuple(image.shape)} and "
            f"{tuple(instances.shape)}."
        )


def _checked_label(label: Tensor) -> Tensor:
    if label.shape[0] != 1 or not ((label >= STROMA) & (label <= LUMEN)).all():
        raise InputError(
            f"{source_file(label, 'label')}: not a region map; its values must be {STROMA} stroma, {EPITHELIUM} "
            f"epithelium, {LUMEN} lumen, but they reach from {int(label.min())} to {int(label.max())}."
        )
    return label.to(torch.int8)


def _boxes(glands: np.ndarray) -> list[tuple[int, tuple[slice, slice]]]:
    """Return the number of each gland and the box around it, one pixel wider as far as the image reaches."""
    from scipy import ndimage

    numbers = np.unique(glands[glands > 0])
    boxes = ndimage.find_objects(np.where(glands > 0, np.searchsorted(numbers, glands) + 1, 0))
    return [
        (int(number), tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box))
        for number, box in zip(numbers, boxes, strict=True)
    ]


def _further_inside(gland: np.ndarray, pixels: float) -> np.ndarray:
    """Return the pixels at least this far from the gland's border, which runs between pixels."""
    from scipy import ndimage

    if gland.all():  # it fills the image
        return gland
    return ndimage.distance_transform_edt(gland) >= max(pixels + 0.5, APART)


def _draw_contours(regions: np.ndarray, glands: np.ndarray, pixels: float) -> None:
    """Turn the epithelium nearer than this to its gland's border into contour, in place."""
    for number, box in _boxes(glands):
        gland = glands[box] == number
        near = gland & ~_further_inside(gland, pixels)
        regions[box][near & (regions[box] == EPITHELIUM)] = CONTOUR


def _with_contours(label: Tensor, instances: Tensor, pixels: float) -> Tensor:
    regions = label[0].cpu().numpy().copy()
    _draw_contours(regions, instances[0].cpu().numpy().astype(np.int64), pixels)
    return convert_to_dst_type(regions[None], label, dtype=torch.int8)[0]
