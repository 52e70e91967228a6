"""What the record of a 2D case says of its class, its regions and its objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from .pixel_areas import area_mm2, pixel_areas_mm2

__all__ = ["class_findings", "object_findings", "region_findings"]


def class_findings(probabilities: Tensor, class_names: Sequence[str]) -> dict[str, Any]:
    """Return "class", the name of the most probable one, and "class_probabilities", {name: probability}.

    Args:
        probabilities: (K,).
        class_names: K names.
    """
    named = {name: round(float(value), 6) for name, value in zip(class_names, probabilities, strict=True)}
    return {"class": class_names[int(probabilities.argmax())], "class_probabilities": named}


def region_findings(
    regions: np.ndarray, region_names: Sequence[str], pixel_size_um: float | None, dicom: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Return value, name, area and share of the picture of every region.

    Args:
        regions: (H, W), a region's number at every pixel.
        region_names: from 0 on.
        pixel_size_um: length of a pixel's side; None: areas are in pixels.
        dicom: what was noted of a DICOM file, for areas in mm2, see `pixel_areas_mm2`; None of another file.
    """
    unit, pixel = _unit(pixel_size_um)
    areas = None if dicom is None else pixel_areas_mm2(dicom, regions.shape)
    found = []
    for value, name in enumerate(region_names):
        inside = regions == value
        count = int(np.count_nonzero(inside))
        region = {"value": value, "name": name, f"area_{unit}": round(count * pixel, 2)}
        region |= {"share": round(count / regions.size, 6)}
        if areas is not None:
            region["area_mm2"] = area_mm2(areas, inside)
        found.append(region)
    return found


def object_findings(objects: np.ndarray, pixel_size_um: float | None) -> dict[str, Any]:
    """Return how many objects there are, and {number: area}.

    Args:
        objects: (H, W), an object's number at every pixel, 0 where there is none.
        pixel_size_um: length of a pixel's side; None: areas are in pixels.
    """
    unit, pixel = _unit(pixel_size_um)
    numbers, counts = np.unique(objects[objects != 0], return_counts=True)
    areas = [round(count * pixel, 2) for count in counts.tolist()]
    return {"number": len(areas), f"area_{unit}": dict(zip(map(str, numbers.tolist()), areas, strict=True))}


def _unit(pixel_size_um: float | None) -> tuple[str, float]:
    """Return the unit of areas, and a pixel's area in it."""
    return ("px", 1) if pixel_size_um is None else ("um2", pixel_size_um**2)
