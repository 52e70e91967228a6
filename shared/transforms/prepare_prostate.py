"""Preprocessing of prostate MRI, from files to the network's input, in one invertible transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monai.config import KeysCollection
from monai.transforms import CenterSpatialCropd
from monai.utils import ensure_tuple

from ..errors import InputError
from .check_zones import CheckZonesd
from .normalize_measured import NormalizeMeasuredd
from .prepare_image import PrepareImaged

__all__ = ["PrepareProstated"]


class PrepareProstated(PrepareImaged):
    """Load, stack, label convention, same grid, orient, resample, crop to the middle, normalise.

    The result is that of `PrepareImaged`. Images of the prostate have no air of one value and no mask: every modality
    is normalised over what was measured in the middle of the image (`NormalizeMeasured`), which is alike for wide and
    narrow fields of view. The steps in between are those of `CheckZonesd`, MONAI's `CenterSpatialCropd`, and
    `NormalizeMeasuredd`.

    Args:
        modalities: names of the modalities in the order of the channels.
        spacing_mm: edges of a voxel of the new grid, left to right, back to front, feet to head. Slices of the
            prostate are some 3 mm thick, their pixels 0.3 to 0.75 mm wide.
        crop_mm: width (left to right) and depth (back to front) of the middle of the image that is kept; all slices
            are. None keeps everything.
        resample_label: the label goes with the image.
        reading: further arguments of `PrepareImaged`: how files are read, and `axcodes`.
    """

    def __init__(
        self,
        modalities: KeysCollection,
        spacing_mm: Sequence[float],
        *,
        crop_mm: Sequence[float] | None = None,
        resample_label: bool = False,
        **reading: Any,
    ) -> None:
        moved = ["image", "label"] if resample_label else ["image"]
        crop = [CenterSpatialCropd(moved, _voxels(crop_mm, ensure_tuple(spacing_mm)))] if crop_mm is not None else []
        super().__init__(
            modalities,
            spacing_mm,
            table="prostate_zones",
            on_files_grid=[CheckZonesd()],
            on_new_grid=[*crop, NormalizeMeasuredd()],
            resample_label=resample_label,
            **reading,
        )


def _voxels(crop_mm: Sequence[float], spacing_mm: Sequence[float]) -> list[int]:
    """Return how many voxels are kept along every axis, -1 for all of them."""
    sides = ensure_tuple(crop_mm)
    if len(sides) != 2 or not all(isinstance(side, (int, float)) and side > 0 for side in sides):
        raise InputError(
            f"crop_mm: give two lengths above 0, as [120.0, 120.0] (large ones for the whole image), not {crop_mm!r}."
        )
    return [max(1, round(side / edge)) for side, edge in zip(sides, spacing_mm[:2], strict=True)] + [-1]
