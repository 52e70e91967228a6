"""Put the modalities of a case into one image in which an absent modality is a channel of NaN."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, ResampleToMatch
from monai.utils import convert_to_tensor
from torch import Tensor

from ..errors import InputError
from .only_modality import check_only_modality, wrong_channels
from .same_grid import grid_difference
from .source_file import source_file

__all__ = ["StackModalitiesd"]

KEPT_META = ("affine", "original_affine", "space", "filename_or_obj")


class StackModalitiesd(MapTransform):
    """Stack modalities into "image" (M, *spatial), float32, by name; a modality that is absent becomes NaN.

    The grid and the file name are those of the first modality that is there; of the files' headers no more than that
    is kept, and no history of transforms. The modalities' own entries are removed. A modality that is NaN everywhere
    counts as absent. Where no modality is named, "image" must be there as a tensor, (M, *spatial) or, for one modality,
    *spatial; it gets the same checks and keeps its metadata.

    Args:
        modalities: names of the modalities in the order of the channels.
        resample: bring modalities on another grid onto that of the first one (trilinear; 0 outside of what was
            measured) instead of refusing them.
        only_modality: the modality that an "image" tensor with one channel is, where there are several modalities.

    Raises:
        InputError: no modality at all, two grids, another number of channels, or a NaN or infinite value inside a
            modality that is there.
    """

    def __init__(self, modalities: KeysCollection, resample: bool = False, only_modality: str | None = None) -> None:
        super().__init__(modalities, allow_missing_keys=True)
        self.resample = resample
        self.only_modality = check_only_modality(only_modality, self.keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        stacked = {key: value for key, value in data.items() if key not in self.keys}
        volumes = {name: _channel_first(data[name]) for name in self.keys if name in data}
        if volumes:
            image = self._stack(volumes, data)
        elif isinstance(data.get("image"), (Tensor, np.ndarray)):
            image = self._check_channels(_channel_first(data["image"]), data)
        else:
            raise self._nothing(data)
        return {**stacked, "image": image}

    def _stack(self, volumes: Mapping[Hashable, MetaTensor], data: Mapping[Hashable, Any]) -> MetaTensor:
        for name, volume in volumes.items():
            if volume.ndim != 4 or volume.shape[0] != 1:
                shape = tuple(volume.shape)
                raise InputError(f"{source_file(volume, name)}: one 3D image is expected as {name}, not shape {shape}.")
        present = {name: volume for name, volume in volumes.items() if self._is_present(volume, name)}
        if not present:
            raise self._nothing(data)
        first_name, first = next(iter(present.items()))
        channels = []
        for name in self.keys:
            if name not in present:
                channels.append(torch.full(first.shape, torch.nan))
                continue
            difference = grid_difference(first, present[name])
            if difference and not self.resample:
                raise InputError(
                    f"{source_file(first, first_name)} and {source_file(present[name], name)}: not on one grid, "
                    f"{difference}; register and resample them, or run with --resample_modalities True."
                )
            if difference:
                present[name] = ResampleToMatch(padding_mode="zeros")(present[name], first)
            channels.append(present[name].as_tensor())
        meta = {key: first.meta[key] for key in KEPT_META if key in first.meta}
        shape = np.asarray(first.shape[1:])
        return MetaTensor(torch.cat(channels), meta={**meta, "spatial_shape": shape, "original_channel_dim": 0})

    def _check_channels(self, image: MetaTensor, data: Mapping[Hashable, Any]) -> MetaTensor:
        if image.ndim == 4 and image.shape[0] == 1 < len(self.keys) and self.only_modality:
            absent = torch.full_like(image.as_tensor(), torch.nan)
            channels = [image.as_tensor() if name == self.only_modality else absent for name in self.keys]
            image = MetaTensor(torch.cat(channels), meta=image.meta, applied_operations=image.applied_operations)
        if image.ndim == 4 and image.shape[0] == 1 < len(self.keys):
            raise InputError(wrong_channels(source_file(image, "image"), 1, self.keys))
        if image.ndim != 4 or image.shape[0] != len(self.keys):
            raise InputError(
                f"{source_file(image, 'image')}: has shape {tuple(image.shape)}, but (channels, x, y, z) with "
                f"{len(self.keys)} channels ({', '.join(map(str, self.keys))}) is expected."
            )
        present = [self._is_present(channel, name) for channel, name in zip(image, self.keys, strict=True)]
        if not any(present):
            raise self._nothing(data)
        return image

    @staticmethod
    def _is_present(volume: MetaTensor, name: Hashable) -> bool:
        """Tell a modality from a channel of NaN, and refuse what is neither."""
        values = volume.as_tensor()
        strays = int((~values.isfinite()).sum())
        if strays == values.numel() and values.isnan().all():
            return False
        if strays:
            raise InputError(
                f"{source_file(volume, name)}: {strays} of {values.numel()} voxels of {name} are NaN or infinite; "
                "repair the file, or leave the modality out."
            )
        return True

    def _nothing(self, data: Mapping[Hashable, Any]) -> InputError:
        names = ", ".join(map(str, self.keys))
        return InputError(f"case {data.get('case', '(unnamed)')}: none of its modalities ({names}) is there; give one.")


def _channel_first(image: Tensor | np.ndarray) -> MetaTensor:
    """Return a float32 MetaTensor with a channel axis, which what MONAI Deploy hands over lacks."""
    tensor = convert_to_tensor(image, dtype=torch.float32, track_meta=True)
    if tensor.ndim != 3:
        return tensor
    return MetaTensor(tensor.as_tensor()[None], meta={**tensor.meta, "original_channel_dim": 0})
