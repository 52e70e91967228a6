"""Areas of the pixels of a picture, where its file gives their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["area_mm2", "pixel_areas_mm2"]


def pixel_areas_mm2(note: Mapping[str, Any], shape: Sequence[int]) -> np.ndarray:
    """Return the area (H, W) of every pixel in square millimetres; NaN where it is not known.

    Args:
        note: "regions", a list of {"rows", "columns": [first, last], "mm_per_pixel": [x, y] or None}, of which the last
            one counts where they overlap; "mm_per_pixel", [x, y] or None, elsewhere.
        shape: rows and columns.
    """
    everywhere = note.get("mm_per_pixel")
    areas = np.full(shape, np.nan if everywhere is None else everywhere[0] * everywhere[1])
    for region in note.get("regions", ()):
        (top, bottom), (left, right), edges = region["rows"], region["columns"], region["mm_per_pixel"]
        areas[top : bottom + 1, left : right + 1] = np.nan if edges is None else edges[0] * edges[1]
    return areas


def area_mm2(areas: np.ndarray, mask: np.ndarray) -> float | None:
    """Return the area of a mask, or None where the area of one of its pixels is not known."""
    area = float(areas[mask].sum())
    return None if np.isnan(area) else round(area, 3)
