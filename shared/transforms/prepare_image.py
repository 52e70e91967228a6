"""Base of the preprocessing of MRI, from files to the network's input, in one invertible transform."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import CastToTyped, Compose, InvertibleTransform, MapTransform, Orientationd, Transform
from monai.transforms.utils import allow_missing_keys_mode
from monai.utils import ensure_tuple

from .load_modalities import LoadedCase, LoadImageModalitiesd
from .map_label import Cases, MapLabeld
from .safe_spacing import SafeSpacingd
from .same_grid import RequireSameGridd
from .stack_modalities import StackModalitiesd

__all__ = ["PrepareImaged"]


class PrepareImaged(MapTransform, InvertibleTransform):
    """Load, stack, label convention, same grid, orient, resample; with an organ's own steps in two places.

    One transform that is cached as a whole and can be undone: a plain `Compose` in a bundle's preprocessing would count
    as random, and `CacheDataset` would not cache it.

    The result has "image" (M, *spatial), float32, one channel per modality by name, NaN where a modality is absent.
    With a label it also has

    - in training (`resample_label`): "label" (1, *spatial), int8 classes, on the image's new grid;
    - else: "label" on its own grid.

    All other entries stay. What is loaded already is not loaded again: inference.json loads before, by a transform that
    MONAI Deploy leaves out. The common steps are those of `LoadImageModalitiesd`, `StackModalitiesd`, `MapLabeld`,
    `RequireSameGridd`, MONAI's `Orientationd` and `Spacingd`.

    Args:
        modalities: names of the modalities in the order of the channels.
        spacing_mm: edges of a voxel of the new grid.
        table: what the labels show, see `MapLabel`.
        masks: further entries to read.
        on_files_grid: deterministic steps before the image is oriented.
        on_new_grid: deterministic steps after it is resampled.
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
        table: str,
        masks: Sequence[str] = (),
        on_files_grid: Sequence[Transform] = (),
        on_new_grid: Sequence[Transform] = (),
        resample: bool = False,
        reference: str | None = None,
        only_modality: str | None = None,
        layout: str | Mapping[str, str] | None = None,
        label_convention: str | Mapping[int | str, int] | None = None,
        cases: Cases = (),
        resample_label: bool = False,
        axcodes: str = "RAS",
    ) -> None:
        moved = ("image", "label") if resample_label else ("image",)
        MapTransform.__init__(self, moved, allow_missing_keys=True)
        has_label = layout is not None or label_convention is not None
        extra_keys = (*masks, "label") if has_label else tuple(masks)
        self.modalities = ensure_tuple(modalities)
        self.steps = Compose(
            [
                LoadImageModalitiesd(modalities, extra_keys=extra_keys, only_modality=only_modality),
                StackModalitiesd(modalities, resample=resample, reference=reference, only_modality=only_modality),
                *([MapLabeld("label", label_convention, layout, cases, table=table)] if has_label else []),
                RequireSameGridd(),
                *on_files_grid,
                Orientationd(moved, axcodes=axcodes, labels=None),
                SafeSpacingd(moved, pixdim=ensure_tuple(spacing_mm), mode=["bilinear", "nearest"][: len(moved)]),
                *on_new_grid,
                *([CastToTyped("label", torch.int8)] if resample_label else []),
            ]
        )

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        load, stack, *steps = self.steps.transforms
        prepared = stack(load(data))
        if isinstance(data, LoadedCase):  # the image holds them now
            for name in self.modalities:
                data.pop(name, None)
        for step in steps:  # by `Compose` the stacked image would be kept until the last one is done
            prepared = step(prepared)
        return prepared

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Bring what is on the new grid back to that of the files."""
        with allow_missing_keys_mode(self.steps):
            return self.steps.inverse(dict(data))
