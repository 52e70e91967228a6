"""Stack the modalities of a case into one image, in which an absent modality is a channel of NaN."""

from __future__ import annotations

import logging
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
from .is_constant import is_constant
from .only_modality import check_only_modality, wrong_channels
from .same_grid import grid_difference
from .source_file import channel_sources, source_file

__all__ = ["StackModalitiesd"]

KEPT_META = ("affine", "original_affine", "space", "filename_or_obj")


class StackModalitiesd(MapTransform):
    """Stack modalities into "image" (M, *spatial), float32, by name; a modality that is absent becomes NaN.

    The grid and the file name are those of the first modality that is there; of the files' headers no more than that
    is kept, and no history of transforms. The modalities' own entries are removed. A modality that is NaN everywhere,
    or has one single value (a placeholder; named in a warning), counts as absent. Where no modality is named, "image"
    must be there as a tensor, (M, *spatial) or, for one modality, *spatial; it gets the same checks and keeps its
    metadata.

    Args:
        modalities: names of the modalities in the order of the channels.
        resample: bring modalities on another grid onto one (trilinear; 0 outside of what was measured) instead of
            refusing them. It is the label's, where that was read, as in training; else the reference's. Where the
            reference is absent, it is that of the first modality that is there, with a warning. A brain mask follows
            (nearest neighbour).
        reference: name of the modality whose grid counts; the first of `modalities` if None.
        only_modality: the modality that an "image" tensor with one channel is, where there are several modalities.

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
        first_name, first = next(iter(present.items()))
        source, on_grid = first, {}
        if self.resample:
            grid = self._grid(present, data)
            source = grid if grid_difference(grid, first) else first
            present = {name: self._onto(grid, volume, name) for name, volume in present.items()}
            first = present[first_name]
            if isinstance(data.get("brain"), MetaTensor) and grid_difference(grid, data["brain"]):
                on_grid["brain"] = _resampled(data["brain"], grid, mode="nearest")
        for name, volume in present.items():
            difference = grid_difference(first, volume)
            if difference:
                raise InputError(
                    f"{source_file(first, first_name)} and {source_file(volume, name)}: not on one grid, "
                    f"{difference}; register and resample them, or run with --resample_modalities True."
                )
        absent = None if len(present) == len(self.keys) else torch.full(first.shape, torch.nan)
        channels = [present[name].as_tensor() if name in present else absent for name in self.keys]
        meta = {key: source.meta[key] for key in KEPT_META if key in source.meta}
        meta |= channel_sources({name: source_file(present.get(name), name) for name in self.keys})
        shape = np.asarray(first.shape[1:])
        image = MetaTensor(torch.cat(channels), meta={**meta, "spatial_shape": shape, "original_channel_dim": 0})
        return {"image": image, **on_grid}

    def _grid(self, present: Mapping[Hashable, MetaTensor], data: Mapping[Hashable, Any]) -> MetaTensor:
        """Return the volume whose grid all others are brought onto."""
        if isinstance(data.get("label"), MetaTensor):
            return data["label"]
        if self.reference in present:
            return present[self.reference]
        name, first = next(iter(present.items()))
        if any(grid_difference(first, volume) for volume in present.values()):
            logging.getLogger(__name__).warning(
                "case %s: %s, the reference for the grid, is absent; resampled onto the grid of %s.",
                data.get("case", "(unnamed)"),
                self.reference,
                name,
            )
        return first

    @staticmethod
    def _onto(grid: MetaTensor, volume: MetaTensor, name: Hashable) -> MetaTensor:
        """Return a modality on a grid; as it is where it is on it already."""
        if not grid_difference(grid, volume):
            return volume
        resampled = _resampled(volume, grid, mode="bilinear")
        if is_constant(resampled.as_tensor()):
            raise InputError(
                f"{source_file(volume, name)}: {name} does not overlap with {source_file(grid, 'the label')}; "
                "correct the headers, or leave the modality out."
            )
        return resampled

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


def _resampled(volume: MetaTensor, grid: MetaTensor, mode: str) -> MetaTensor:
    """Bring a volume onto a grid, without a history of it."""
    resampled = ResampleToMatch(mode=mode, padding_mode="zeros")(volume, grid)
    return MetaTensor(resampled.as_tensor(), meta=resampled.meta)


def _channel_first(image: Tensor | np.ndarray) -> MetaTensor:
    """Return a float32 MetaTensor with a channel axis, which what MONAI Deploy hands over lacks."""
    tensor = convert_to_tensor(image, dtype=torch.float32, track_meta=True)
    if tensor.ndim != 3:
        return tensor
    return MetaTensor(tensor.as_tensor()[None], meta={**tensor.meta, "original_channel_dim": 0})
