"""Normalise every modality inside the brain and set the air to zero."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor
from torch import Tensor

from ..errors import InputError
from .brain_from_air import brain_from_air
from .source_file import source_file, source_of_channel

__all__ = ["NormalizeInBrain", "NormalizeInBraind", "brain_of_normalized", "in_brain", "is_constant"]

ROUNDING = 1e-6  # of the largest value


def in_brain(image: Tensor, brain: Tensor | None = None) -> Tensor:
    """Say which voxels belong to the brain.

    Args:
        image: (M, *spatial); an absent modality is NaN.
        brain: mask (1, *spatial), above one half inside.

    Returns:
        (1, *spatial), boolean: the mask, else what differs from air (`brain_from_air`, which may refuse the image).
    """
    if brain is None:
        return brain_from_air(image)
    mask = convert_to_tensor(brain, track_meta=False)
    if mask.shape != (1, *image.shape[1:]):
        raise InputError(
            f"{source_file(brain, 'brain')}: the mask has shape {tuple(mask.shape)}, "
            f"but {(1, *image.shape[1:])} is needed for {source_file(image, 'the image')}."
        )
    return mask > 0.5


def is_constant(values: Tensor) -> bool:
    """Say whether values are all the same, but for what float32 loses."""
    lowest, highest = float(values.min()), float(values.max())
    return highest - lowest <= ROUNDING * max(abs(lowest), abs(highest))


def brain_of_normalized(image: Tensor) -> Tensor:
    """Say which values are those of brain, for `CropForegroundd(select_fn=...)` after `NormalizeInBraind`.

    MONAI's default, values above 0, would lose whatever is darker than the brain's mean.

    Args:
        image: (M, *spatial) with air at exactly 0 and absent modalities NaN.

    Returns:
        The same shape, boolean; False throughout an absent modality.
    """
    values = convert_to_tensor(image, track_meta=False)
    return (values != 0) & ~values.isnan()


class NormalizeInBrain(Transform):
    """Give every modality mean 0 and standard deviation 1 inside the brain, and 0 outside.

    The papers' code takes mean and deviation from the brain but shifts all voxels, so that air ends at -mean/deviation;
    here it stays 0, which is what an absent modality becomes in networks that stack the modalities. Absent modalities
    stay NaN. A modality with one single value inside the brain counts as absent too: it becomes NaN, with a warning; if
    all are so, the case is refused.

    Args:
        shift_air: shift all voxels, as the papers' code does; for weights that were trained so.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, shift_air: bool = False) -> None:
        self.shift_air = shift_air

    def __call__(self, image: Tensor, brain: Tensor | None = None) -> Tensor:
        """Normalise an image (M, *spatial); see `in_brain` for the mask."""
        values = convert_to_tensor(image, dtype=torch.float32, track_meta=False)
        inside = in_brain(image, brain)[0]
        if not inside.any():
            where = source_file(image if brain is None else brain, "image")
            raise InputError(f"{where}: the brain is empty, no voxel lies inside; give an image or mask that is not 0.")
        changed = torch.ones_like(inside) if self.shift_air else inside
        normalized, constants = torch.zeros_like(values), []
        for channel, voxels in enumerate(values):
            if voxels.isnan().any():
                normalized[channel] = torch.nan
                continue
            brain_voxels = voxels[inside].double()
            if is_constant(brain_voxels):
                constants.append(channel)
                normalized[channel] = torch.nan
                continue
            mean, deviation = brain_voxels.mean(), brain_voxels.std(correction=0)
            normalized[channel, changed] = ((voxels[changed].double() - mean) / deviation).float()
        if normalized.isnan().flatten(1).any(dim=1).all():
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


class NormalizeInBraind(MapTransform):
    """Dictionary version of `NormalizeInBrain`.

    Args:
        keys: images to normalise.
        brain_key: entry that holds the mask, where there is one; it stays as it is. None: no mask is used.
        allow_missing_keys: skip absent keys instead of raising.
        shift_air: see `NormalizeInBrain`.
    """

    backend = NormalizeInBrain.backend

    def __init__(
        self,
        keys: KeysCollection = "image",
        brain_key: str | None = "brain",
        allow_missing_keys: bool = False,
        shift_air: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.brain_key = brain_key
        self.normalize = NormalizeInBrain(shift_air)

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        normalized = dict(data)
        for key in self.key_iterator(normalized):
            normalized[key] = self.normalize(normalized[key], data.get(self.brain_key))
        return normalized
