"""Stack the modalities of a case into one image, in which an absent modality is a channel of NaN."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor
from torch import Tensor

from ..errors import InputError
from .common_grid import choose_grid, modality_on_grid, on_grid
from .is_constant import is_constant
from .only_modality import check_only_modality, wrong_channels
from .same_grid import grid_difference
from .source_file import channel_sources, source_file

__all__ = ["StackModalitiesd"]

KEPT_META = ("affine", "original_affine", "space", "filename_or_obj")


class StackModalitiesd(MapTransform):
    """Stack modalities into "image" (M, *spatial), float32, by name; a modality that is absent becomes NaN.

    A modality is absent if the case lacks it, if it is NaN everywhere, or if it has one single value (a placeholder; a
    warning names it). The image has the grid and the file name of the first modality that is present, no other
    metadata, and no history of transforms. The modalities' own entries are removed.

    A case that names no modality must have "image" as a tensor, (M, *spatial) or, for one modality, *spatial. It gets
    the same checks and keeps its metadata.

    Args:
        modalities: names of the modalities in the order of the channels.
        resample: resample modalities on other grids (trilinear), and the brain mask with them (nearest neighbour),
            instead of refusing them; see `choose_grid`.
        only_modality: the modality that an "image" tensor with one channel is, where there are several modalities.
        reference: name of the modality whose grid counts; the first of `modalities` if None.

    Raises:
        InputError: no modality at all, two grids, another number of channels, or a NaN or infinite value inside a
            modality that is there.
    """

    def __init__(
        self,
        modalities: KeysCollection,
        resample: bool = False,
        only_modality: str | None = None,
        reference: str | None = None,
    ) -> None:
        super().__init__(modalities, allow_missing_keys=True)
        if reference is not None and reference not in self.keys:
            raise InputError(
                f"reference_modality: expected one of {', '.join(map(str, self.keys))}, got {reference!r}."
            )
        self.resample = resample
        self.reference = self.keys[0] if reference is None else reference
        self.only_modality = check_only_modality(only_modality, self.keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        stacked = {key: value for key, value in data.items() if key not in self.keys}
        volumes = {name: _channel_first(data[name]) for name in self.keys if name in data}
        if volumes:
            return {**stacked, **self._stack(volumes, data)}
        if isinstance(data.get("image"), (Tensor, np.ndarray)):
            return {**stacked, "image": self._check_channels(_channel_first(data["image"]), data)}
        raise self._nothing(data)

    def _stack(self, volumes: Mapping[Hashable, MetaTensor], data: Mapping[Hashable, Any]) -> dict[str, MetaTensor]:
        """Return the image, and the brain mask where it was resampled."""
        for name, volume in volumes.items():
            if volume.ndim != 4 or volume.shape[0] != 1:
                shape = tuple(volume.shape)
                raise InputError(f"{source_file(volume, name)}: one 3D image is expected as {name}, not shape {shape}.")
        present = {name: volume for name, volume in volumes.items() if self._is_present(volume, name, data)}
        if not present:
            raise self._nothing(data)
        header, resampled = next(iter(present.values())), {}
        if self.resample:
            grid = choose_grid(present, self.reference, data)
            header = grid if grid_difference(grid, header) else header
            present = {name: modality_on_grid(volume, grid, name) for name, volume in present.items()}
            if isinstance(data.get("brain"), MetaTensor) and grid_difference(grid, data["brain"]):
                resampled["brain"] = on_grid(data["brain"], grid, mode="nearest")
        _require_one_grid(present)
        shape = next(iter(present.values())).shape
        absent = None if len(present) == len(self.keys) else torch.full(shape, torch.nan)
        channels = [present[name].as_tensor() if name in present else absent for name in self.keys]
        meta = {key: header.meta[key] for key in KEPT_META if key in header.meta}
        meta |= channel_sources({name: source_file(present.get(name), name) for name in self.keys})
        meta |= {"spatial_shape": np.asarray(shape[1:]), "original_channel_dim": 0}
        return {"image": MetaTensor(torch.cat(channels), meta=meta), **resampled}

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
        present = [self._is_present(channel, name, data) for channel, name in zip(image, self.keys, strict=True)]
        if not any(present):
            raise self._nothing(data)
        source = source_file(image, "image")
        image = image.clone()
        image[~torch.tensor(present)] = torch.nan
        image.meta |= channel_sources(dict.fromkeys(self.keys, source))
        return image

    @staticmethod
    def _is_present(volume: MetaTensor, name: Hashable, data: Mapping[Hashable, Any]) -> bool:
        """Whether a channel is a modality or absent (NaN or one single value); refuse what is neither."""
        values = volume.as_tensor()
        strays = int((~values.isfinite()).sum())
        if strays == values.numel() and values.isnan().all():
            return False
        if strays:
            raise InputError(
                f"{source_file(volume, name)}: {strays} of {values.numel()} voxels of {name} are NaN or infinite; "
                "repair the file, or leave the modality out."
            )
        if is_constant(values):
            logging.getLogger(__name__).warning(
                "case %s: %s has one single value, %g, and counts as absent (%s).",
                data.get("case", "(unnamed)"),
                name,
                float(values.max()),
                source_file(volume, name),
            )
            return False
        return True

    def _nothing(self, data: Mapping[Hashable, Any]) -> InputError:
        names = ", ".join(map(str, self.keys))
        return InputError(
            f"case {data.get('case', '(unnamed)')}: none of its modalities ({names}) is present; give one."
        )


def _require_one_grid(present: Mapping[Hashable, MetaTensor]) -> None:
    (first_name, first), *others = present.items()
    for name, volume in others:
        difference = grid_difference(first, volume)
        if difference:
            raise InputError(
                f"{source_file(first, first_name)} and {source_file(volume, name)}: not on one grid, "
                f"{difference}; register and resample them, or run with --resample_modalities True."
            )


def _channel_first(image: Tensor | np.ndarray) -> MetaTensor:
    """Return a float32 MetaTensor with a channel axis, which the tensors of MONAI Deploy lack."""
    tensor = convert_to_tensor(image, dtype=torch.float32, track_meta=True)
    if tensor.ndim != 3:
        return tensor
    return MetaTensor(tensor.as_tensor()[None], meta={**tensor.meta, "original_channel_dim": 0})
