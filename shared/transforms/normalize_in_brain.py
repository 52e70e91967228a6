"""Normalise every modality inside the brain and set the air to zero."""

from __future__ import annotations

import logging
from collections.abc import Collection, Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor
from torch import Tensor

from ..errors import InputError
from .brain_checks import BRAIN_CHECKS
from .brain_mask import in_brain
from .is_constant import is_constant
from .source_file import source_file, source_of_channel
from .values_inside import rows_of_slab, values_inside

__all__ = ["NormalizeInBrain", "NormalizeInBraind"]


class NormalizeInBrain(Transform):
    """Give every modality mean 0 and standard deviation 1 inside the brain, and 0 outside.

    The papers' code takes mean and deviation from the brain but shifts all voxels, so that air ends at -mean/deviation;
    here it stays 0, which is what an absent modality becomes in networks that stack the modalities. Absent modalities
    stay NaN. A modality with one single value inside the brain counts as absent too: it becomes NaN, with a warning; if
    all are so, the case is refused.

    Args:
        shift_air: shift all voxels, as the papers' code does; for weights that were trained so.
        checks: see `in_brain`.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, shift_air: bool = False, checks: Collection[str] = BRAIN_CHECKS) -> None:
        self.shift_air = shift_air
        self.checks = checks

    def __call__(self, image: Tensor, brain: Tensor | None = None) -> Tensor:
        """Normalise an image (M, *spatial); see `in_brain` for the mask."""
        values = convert_to_tensor(image, dtype=torch.float32, track_meta=False)
        inside = in_brain(image, brain, self.checks)[0]
        moments: list[tuple[Tensor, Tensor] | None] = [None] * len(values)
        constants = []
        for channel, voxels in enumerate(values):
            if voxels.isnan().any():
                continue
            brain_voxels = values_inside(voxels, inside)
            if is_constant(brain_voxels):
                constants.append(channel)
            else:
                moments[channel] = brain_voxels.mean(), brain_voxels.std(correction=0)
            del brain_voxels
        normalized = torch.full_like(values, torch.nan)
        for channel, found in enumerate(moments):
            if found is not None:
                self._shift(normalized[channel], values[channel], inside, *found)
        if all(found is None for found in moments):
            raise InputError(
                f"{source_file(image, 'image')}: every modality has one single value inside the brain; "
                "check the file and the mask."
            )
        for channel in constants:
            logging.getLogger(__name__).warning(
                "%s: one single value inside the brain; the modality counts as absent.",
                source_of_channel(image, channel),
            )
        return convert_to_dst_type(normalized, dst=image, dtype=torch.float32)[0]

    def _shift(self, target: Tensor, voxels: Tensor, inside: Tensor, mean: Tensor, deviation: Tensor) -> None:
        """Put normalised voxels (x, y, z) into the target, in double precision, slab by slab."""
        rows = rows_of_slab(voxels)
        for part, source, mask in zip(target.split(rows), voxels.split(rows), inside.split(rows), strict=True):
            shifted = ((source.double() - mean) / deviation).float()
            part.copy_(shifted if self.shift_air else shifted.where(mask, 0.0))


class NormalizeInBraind(MapTransform):
    """Dictionary version of `NormalizeInBrain`.

    Args:
        keys: images to normalise.
        brain_key: entry that holds the mask, where there is one; it stays as it is. None: no mask is used.
        allow_missing_keys: skip absent keys instead of raising.
        shift_air: see `NormalizeInBrain`.
        checks: see `in_brain`.
    """

    backend = NormalizeInBrain.backend

    def __init__(
        self,
        keys: KeysCollection = "image",
        brain_key: str | None = "brain",
        allow_missing_keys: bool = False,
        shift_air: bool = False,
        checks: Collection[str] = BRAIN_CHECKS,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.brain_key = brain_key
        self.normalize = NormalizeInBrain(shift_air, checks)

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        normalized = dict(data)
        for key in self.key_iterator(normalized):
            normalized[key] = self.normalize(normalized[key], data.get(self.brain_key))
        return normalized
