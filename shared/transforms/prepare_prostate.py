"""From the files of a prostate MRI to what a network takes, in one transform that can be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from monai.config import KeysCollection
from monai.transforms import CastToTyped, CenterSpatialCropd, Orientationd
from monai.utils import ensure_tuple

from ..errors import InputError
from .check_zones import CheckZonesd
from .map_label import Cases
from .normalize_measured import NormalizeMeasuredd
from .prepare_image import PrepareImaged, reading_steps
from .safe_spacing import SafeSpacingd

__all__ = ["PrepareProstated"]

TABLE = "prostate_zones"


class PrepareProstated(PrepareImaged):
    """Load, stack, label convention, same grid, orient, resample, crop to the middle, normalise.

    The result has "image" (M, *spatial), float32, one channel per modality by name, NaN where a modality is absent.
    With a label it also has

    - in training (`resample_label`): "label" (1, *spatial), int8 classes, on the image's new grid;
    - else: "label" on its own grid.

    All other entries stay. What is loaded already is not loaded again. Images of the prostate have no air of one value
    and no mask: every modality is normalised over what was measured in the middle of the image (`NormalizeMeasured`),
    which is alike for wide and narrow fields of view. The steps are those of `LoadImageModalitiesd`,
    `StackModalitiesd`, `MapLabeld`, `CheckZonesd`, `RequireSameGridd`, MONAI's `Orientationd`, `Spacingd` and
    `CenterSpatialCropd`, and `NormalizeMeasuredd`.

    Args:
        modalities: names of the modalities in the order of the channels.
        spacing_mm: edges of a voxel of the new grid, left to right, back to front, feet to head. Slices of the
            prostate are some 3 mm thick, their pixels 0.3 to 0.75 mm wide.
        crop_mm: width (left to right) and depth (back to front) of the middle of the image that is kept; all slices
            are. None keeps everything.
        resample: see `StackModalitiesd`.
        reference: see `StackModalitiesd`.
        only_modality: see `StackModalitiesd`.
        layout: of the data set, see `MapLabel`. A label is read where this or `label_convention` is given.
        label_convention: what the values of labels mean, see `MapLabel`.
        cases: see `MapLabel`.
        resample_label: the label goes with the image.
        axcodes: orientation of the new grid.
    """

    def __init__(
        self,
        modalities: KeysCollection,
        spacing_mm: Sequence[float],
        *,
        crop_mm: Sequence[float] | None = None,
        resample: bool = False,
        reference: str | None = None,
        only_modality: str | None = None,
        layout: str | Mapping[str, str] | None = None,
        label_convention: str | Mapping[int | str, int] | None = None,
        cases: Cases = (),
        resample_label: bool = False,
        axcodes: str = "RAS",
    ) -> None:
        moved = ["image", "label"] if resample_label else ["image"]
        spacing = ensure_tuple(spacing_mm)
        steps = [
            *reading_steps(
                modalities,
                table=TABLE,
                resample=resample,
                reference=reference,
                only_modality=only_modality,
                layout=layout,
                label_convention=label_convention,
                cases=cases,
            ),
            CheckZonesd(),
            Orientationd(moved, axcodes=axcodes, labels=None),
            SafeSpacingd(moved, pixdim=spacing, mode=["bilinear", "nearest"][: len(moved)]),
            *([CenterSpatialCropd(moved, _voxels(crop_mm, spacing))] if crop_mm is not None else []),
            NormalizeMeasuredd(),
            *([CastToTyped("label", torch.int8)] if resample_label else []),
        ]
        super().__init__(moved, steps)


def _voxels(crop_mm: Sequence[float], spacing_mm: Sequence[float]) -> list[int]:
    """Return how many voxels are kept along every axis, -1 for all of them."""
    sides = ensure_tuple(crop_mm)
    if len(sides) != 2 or not all(isinstance(side, (int, float)) and side > 0 for side in sides):
        raise InputError(
            f"crop_mm: give two lengths above 0, as [120.0, 120.0] (large ones for the whole image), not {crop_mm!r}."
        )
    return [max(1, round(side / edge)) for side, edge in zip(sides, spacing_mm[:2], strict=True)] + [-1]
