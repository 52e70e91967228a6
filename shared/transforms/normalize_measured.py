"""Normalise every modality by what was measured in it, for organs without a mask."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor
from torch import Tensor

from ..errors import InputError
from ..networks.present_modalities import present_modalities
from .is_constant import is_constant
from .source_file import source_file, source_of_channel

__all__ = ["NormalizeMeasured", "NormalizeMeasuredd"]


class NormalizeMeasured(Transform):
    """Give every modality mean 0 and standard deviation 1 over the voxels that are not exactly 0.

    An apparent diffusion coefficient is 0 where nothing was measured: outside of its field of view, and in air and
    bone. These voxels do not count, but are shifted like all others, so that they end below what was measured. In T2,
    where air is noise, next to none is 0. Before, values beyond two percentiles are set to these: an endorectal coil is
    many times as bright as the organ. Absent modalities stay NaN. A modality with one single value becomes NaN, with a
    warning; if all are so, the case is refused.

    Args:
        percentiles: lower and upper one, between 0 and 100.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, percentiles: Sequence[float] = (0.5, 99.5)) -> None:
        if len(percentiles) != 2 or not 0 <= percentiles[0] < percentiles[1] <= 100:
            raise ValueError(f"percentiles: give two that rise, from 0 to 100, not {percentiles}.")
        self.percentiles = tuple(percentiles)

    def __call__(self, image: Tensor) -> Tensor:
        """Normalise an image (M, *spatial)."""
        values = convert_to_tensor(image, dtype=torch.float32, track_meta=False)
        normalized = torch.full_like(values, torch.nan)
        for channel, voxels in enumerate(values):
            if voxels.isnan().any():
                continue
            measured = voxels[voxels != 0].double()
            if not measured.numel() or is_constant(measured):
                logging.getLogger(__name__).warning(
                    "%s: one single value in the part of the image that is used; the modality counts as absent.",
                    source_of_channel(image, channel),
                )
                continue
            low, high = np.percentile(measured.cpu().numpy(), self.percentiles)
            measured = measured.clamp(low, high)
            deviation = measured.std(correction=0).clamp(min=1e-12)
            clipped = torch.where(voxels != 0, voxels.double().clamp(low, high), 0.0)
            normalized[channel] = ((clipped - measured.mean()) / deviation).float()
        if not present_modalities(normalized.unsqueeze(0)).any():
            raise InputError(
                f"{source_file(image, 'image')}: every modality has one single value in the part of the image that is "
                "used; check the file, or take a larger part (--crop_mm)."
            )
        return convert_to_dst_type(normalized, dst=image, dtype=torch.float32)[0]


class NormalizeMeasuredd(MapTransform):
    """Dictionary version of `NormalizeMeasured`.

    Args:
        keys: images to normalise.
        percentiles: see `NormalizeMeasured`.
        allow_missing_keys: skip absent keys instead of raising.
    """

    backend = NormalizeMeasured.backend

    def __init__(
        self,
        keys: KeysCollection = "image",
        percentiles: Sequence[float] = (0.5, 99.5),
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.normalize = NormalizeMeasured(percentiles)

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        normalized = dict(data)
        for key in self.key_iterator(normalized):
            normalized[key] = self.normalize(normalized[key])
        return normalized
