"""Preprocessing of brain MRI, from files to the network's input, in one invertible transform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai.config import KeysCollection
from monai.transforms import CropForegroundd, DeleteItemsd, SpatialPadd

from .atlas_distance import NoteAtlasDistanced
from .brain_checks import chosen_checks
from .brain_mask import brain_of_normalized
from .normalize_in_brain import NormalizeInBraind
from .note_brain import NoteBraind
from .note_frame import NoteFramed
from .prepare_image import PrepareImaged

__all__ = ["PrepareBraind"]


class PrepareBraind(PrepareImaged):
    """Load, stack, label convention, same grid, normalise in the brain, orient, resample, crop to the brain.

    The result is that of `PrepareImaged`, with air 0. Where a label stays on its own grid there is also "brain", the
    mask of the brain on the grid of the files. The steps in between are those of `NormalizeInBraind` and MONAI's
    `CropForegroundd`; `NoteFramed` notes the axes and the middle of the result.

    Args:
        modalities: names of the modalities in the order of the channels.
        spacing_mm: edges of a voxel of the new grid.
        resample_label: the label goes with the image.
        margin: voxels of the new grid that are left around the brain.
        shift_air: normalise last, from what is not 0, and shift all voxels, as the published code of mmFormer does.
        padded_size: least size of the new grid with `shift_air`, which air fills.
        checks: {name: False} of the checks against raw heads that are off, see `chosen_checks`. "air", "volume" and
            "skull" refuse an image (`brain_from_air`); "atlas" only warns, where a label stays on its own grid.
        reading: further arguments of `PrepareImaged`: how files are read, and `axcodes`.
    """

    def __init__(
        self,
        modalities: KeysCollection,
        spacing_mm: Sequence[float],
        *,
        resample_label: bool = False,
        margin: int = 0,
        shift_air: bool = False,
        padded_size: Sequence[int] | None = None,
        checks: Mapping[str, bool] | None = None,
        **reading: Any,
    ) -> None:
        on = chosen_checks(checks)
        to_air = NormalizeInBraind(brain_key=None if shift_air else "brain", shift_air=shift_air, checks=on)
        crop = CropForegroundd(
            ["image", "label"] if resample_label else ["image"],
            source_key="image",
            select_fn=brain_of_normalized,
            margin=margin,
            allow_smaller=True,
            start_coord_key=None,
            end_coord_key=None,
        )
        super().__init__(
            modalities,
            spacing_mm,
            table="brain_tumour",
            masks=("brain",),
            on_files_grid=[
                *([] if resample_label else [NoteBraind(checks=on)]),
                *([NoteAtlasDistanced()] if "atlas" in on and not resample_label else []),
                *([] if shift_air else [to_air]),
                *([DeleteItemsd("brain")] if resample_label else []),
            ],
            on_new_grid=[
                crop,
                *([SpatialPadd("image", padded_size)] if padded_size is not None else []),
                *([to_air] if shift_air else []),
                NoteFramed("image"),
            ],
            resample_label=resample_label,
            **reading,
        )
