"""Read the modalities of one case, however they are stored."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from torch import Tensor

from ..errors import InputError
from .only_modality import check_only_modality, wrong_channels
from .read_volume import VolumeReader, shape_in_file

__all__ = ["LoadImageModalitiesd", "LoadedCase"]

EXTENT_MM = (35.0, 1000.0)  # a head in centimetres has 30 at most; no part of a body scanned in 3D is larger


class LoadedCase(dict[Hashable, Any]):
    """A case as `LoadImageModalitiesd` leaves it: the next transform may take volumes out of it.

    MONAI's `Compose` keeps what it hands to a transform until that is done: all modalities would be in memory twice.
    """


class LoadImageModalitiesd(MapTransform):
    """Read the present modalities of a case as tensors (1, *spatial), float32, each under its own name.

    A modality of a case may be given as

    - ``{"flair": path}``, a 3D file or a folder with one DICOM series;
    - ``{"flair": [path, channel]}``, a channel of a 4D file;
    - ``{"flair": [path, path, ...]}``, the files of one DICOM series in the order of the slices;
    - a tensor or an array, which stays as it is; or None for an absent modality.

    A case that names no modality has them in "image": a 3D file of one modality, a 4D file with `modalities` as its
    channels in this order, or a list with one path or None per modality.

    All other entries stay. "case" becomes the file's name where it is not given. "painted" is a function: it is called,
    and the entries that it returns join the case.

    MONAI Deploy brings tensors, and leaves out transforms with "LoadImage" in their name, as this one has.

    Args:
        modalities: names of the modalities.
        extra_keys: further entries to read where they are paths, such as "brain" (a mask) or "label".
        extent_mm: see `VolumeReader`.
        only_modality: the modality that an "image" with one channel is, where there are several modalities.
    """

    def __init__(
        self,
        modalities: KeysCollection,
        extra_keys: Sequence[str] = ("brain",),
        extent_mm: Sequence[float] = EXTENT_MM,
        only_modality: str | None = None,
    ) -> None:
        super().__init__(modalities, allow_missing_keys=True)
        self.only_modality = check_only_modality(only_modality, self.keys)
        self.extra_keys = tuple(extra_keys)
        self.read = VolumeReader(extent_mm)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        loaded = dict(data)
        loaded |= loaded.pop("painted", dict)()
        volumes: dict[str, MetaTensor] = {}  # a 4D file is read once
        sources = {name: loaded.pop(name) for name in self.keys if name in loaded}
        if not sources and "image" in loaded and not _is_array(loaded["image"]):
            sources = self._split_image(loaded.pop("image"), volumes)
        sources |= {key: loaded.pop(key) for key in self.extra_keys if key in loaded}
        for name, source in sources.items():
            if source is not None:
                loaded[name] = source if _is_array(source) else self._one_channel(source, name, volumes)
        if "case" not in loaded and volumes:
            loaded["case"] = _case_name(Path(next(iter(volumes))))
        return LoadedCase(loaded)

    def _split_image(self, image: Any, volumes: dict[str, MetaTensor]) -> dict[str, Any]:
        """Return for every modality the path or [path, channel] that "image" has for it."""
        if isinstance(image, (list, tuple)):
            if len(image) != len(self.keys):
                raise InputError(
                    f"image: {len(image)} files for {len(self.keys)} modalities ({', '.join(self.keys)}); "
                    "give one file per modality, in this order (None where one is absent)."
                )
            return dict(zip(self.keys, image, strict=True))
        volume = self._volume(image, volumes)
        channels = volume.shape[0]
        if channels == len(self.keys):
            return {name: [image, channel] for channel, name in enumerate(self.keys)}
        if channels == 1 and self.only_modality:
            return {self.only_modality: [image, 0]}
        if volume.shape[1] == len(self.keys) > 1 and channels > 1:
            raise InputError(
                f"{image}: has shape {shape_in_file(volume)}, with the modalities on the first axis; "
                "store them on the last one."
            )
        raise InputError(wrong_channels(str(image), channels, self.keys) + _remedy_for_slices(volume))

    def _one_channel(self, source: Any, name: Hashable, volumes: dict[str, MetaTensor]) -> MetaTensor:
        """Read a path, or one channel of a file given as [path, channel], as (1, *spatial)."""
        if _is_series(source):
            return self.read.series(source)
        path, channel = source if isinstance(source, (list, tuple)) and len(source) == 2 else (source, None)
        if not isinstance(path, (str, os.PathLike)) or not (channel is None or isinstance(channel, int)):
            raise InputError(f"{name}: expected a path or [path, channel], got {source!r}.")
        volume = self._volume(path, volumes)
        if channel is None:
            if volume.shape[0] != 1:
                raise InputError(
                    f"{path}: has {volume.shape[0]} channels, but one 3D image is expected as {name}; "
                    "say which channel with [path, channel]." + _remedy_for_slices(volume)
                )
            return volume
        if not 0 <= channel < volume.shape[0]:
            raise InputError(f"{path}: has no channel {channel} for {name}, only 0 to {volume.shape[0] - 1}.")
        return volume[channel : channel + 1]

    def _volume(self, path: str | os.PathLike, volumes: dict[str, MetaTensor]) -> MetaTensor:
        """Return a whole file as (C, *spatial), from `volumes` if it was read before."""
        if not isinstance(path, (str, os.PathLike)):
            raise InputError(f"image: expected a path or a list of paths, got {path!r}.")
        if str(path) not in volumes:
            volumes[str(path)] = self.read(Path(path).expanduser())
        return volumes[str(path)]


def _is_series(source: Any) -> bool:
    """Whether it is a list of paths, not [path, channel]."""
    is_list = isinstance(source, (list, tuple)) and len(source) > 0
    return is_list and all(isinstance(part, (str, os.PathLike)) for part in source)


def _remedy_for_slices(volume: Tensor) -> str:
    """Say what to do where slices may have been stored as channels."""
    if volume.shape[3] > 1:
        return ""
    return f" Its shape is {shape_in_file(volume)}: if these are slices, store them on the third axis."


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, Tensor))


def _case_name(path: Path) -> str:
    """Return the name of a folder, or of a file without its suffix."""
    return path.name if path.is_dir() else Path(re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE)).stem
