"""From a brain's files to what a network takes, in one transform that can be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from monai.config import KeysCollection
from monai.transforms import CastToTyped, CropForegroundd, DeleteItemsd, Orientationd, SpatialPadd
from monai.utils import ensure_tuple

from .brain_mask import brain_of_normalized
from .map_label import Cases
from .normalize_in_brain import NormalizeInBraind
from .note_brain import NoteBraind
from .prepare_image import PrepareImaged, reading_steps
from .safe_spacing import SafeSpacingd

__all__ = ["PrepareBraind"]


class PrepareBraind(PrepareImaged):
    """Load, stack, label convention, same grid, normalise in the brain, orient, resample, crop to the brain.

    The result has "image" (M, *spatial), float32, one channel per modality by name, NaN where a modality is absent, air
    0. With a label it also has

    - in training (`resample_label`): "label" (1, *spatial), int8 classes, on the image's new grid; no "brain";
    - else: "label" on its own grid, and "brain", the mask of the brain on the grid of the files.

    All other entries stay. What is loaded already is not loaded again: inference.json loads before, by a transform that
    MONAI Deploy leaves out. The steps are those of `LoadImageModalitiesd`, `StackModalitiesd`, `MapLabeld`,
    `RequireSameGridd`, `NormalizeInBraind`, MONAI's `Orientationd`, `Spacingd` and `CropForegroundd`.

    Args:
        modalities: names of the modalities in the order of the channels.
        spacing_mm: edges of a voxel of the new grid.
        resample: see `StackModalitiesd`.
        reference: see `StackModalitiesd`.
        only_modality: see `StackModalitiesd`.
        layout: of the data set, see `MapLabel`. A label is read where this or `label_convention` is given.
        label_convention: what the values of labels mean, see `MapLabel`.
        cases: see `MapLabel`.
        resample_label: the label goes with the image.
        margin: voxels of the new grid that are left around the brain.
        axcodes: orientation of the new grid.
        shift_air: normalise last, from what is not 0, and shift all voxels, as the published code of mmFormer does.
        padded_size: least size of the new grid with `shift_air`, which air fills.
    """

    def __init__(
        self,
        modalities: KeysCollection,
        spacing_mm: Sequence[float],
        *,
        resample: bool = False,
        reference: str | None = None,
        only_modality: str | None = None,
        layout: str | Mapping[str, str] | None = None,
        label_convention: str | Mapping[int | str, int] | None = None,
        cases: Cases = (),
        resample_label: bool = False,
        margin: int = 0,
        axcodes: str = "RAS",
        shift_air: bool = False,
        padded_size: Sequence[int] | None = None,
    ) -> None:
        moved = ["image", "label"] if resample_label else ["image"]
        to_air = NormalizeInBraind(brain_key=None, shift_air=True) if shift_air else NormalizeInBraind()
        steps = [
            *reading_steps(
                modalities,
                masks=("brain",),
                table="brain_tumour",
                resample=resample,
                reference=reference,
                only_modality=only_modality,
                layout=layout,
                label_convention=label_convention,
                cases=cases,
            ),
            *([] if resample_label else [NoteBraind()]),
            *([] if shift_air else [to_air]),
            *([DeleteItemsd("brain")] if resample_label else []),
            Orientationd(moved, axcodes=axcodes, labels=None),
            SafeSpacingd(moved, pixdim=ensure_tuple(spacing_mm), mode=["bilinear", "nearest"][: len(moved)]),
            CropForegroundd(
                moved,
                source_key="image",
                select_fn=brain_of_normalized,
                margin=margin,
                allow_smaller=True,
                start_coord_key=None,
                end_coord_key=None,
            ),
            *([SpatialPadd("image", padded_size)] if padded_size is not None else []),
            *([to_air] if shift_air else []),
            *([CastToTyped("label", torch.int8)] if resample_label else []),
        ]
        super().__init__(moved, steps)
