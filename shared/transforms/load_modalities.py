"""Read the modalities of one case, however they are stored."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import ITKReader, MetaTensor, NibabelReader
from monai.data.utils import affine_to_spacing
from monai.transforms import MapTransform
from torch import Tensor

from ..errors import InputError, in_one_line
from .image_loader import image_loader
from .only_modality import check_only_modality, wrong_channels
from .read_dicom import DicomReader, is_dicom
from .read_nifti import NiftiReader
from .small_suffix import with_small_suffix

__all__ = ["LoadImageModalitiesd", "LoadedCase"]

EXTENT_MM = (35.0, 1000.0)  # a head in centimetres has 30 at most; no part of a body scanned in 3D is larger


class LoadedCase(dict[Hashable, Any]):
    """A case as `LoadImageModalitiesd` leaves it: the next transform may take volumes out of it.

    MONAI's `Compose` keeps what it hands to a transform until that is done: all modalities would be in memory twice.
    """


class LoadImageModalitiesd(MapTransform):
    """Read the present modalities of a case as tensors (1, *spatial), float32, each under its own name.

    A modality is given as `{"flair": path}` or, in a 4D file, as `{"flair": [path, channel]}`; a folder is read as one
    DICOM series, and so is a list of its files in the order of the slices. Where no modality is named, "image" is
    taken apart: a path (a 3D file for one modality, a 4D file whose channels are `modalities` in this order), or a list
    of one path per modality. None means an absent modality. What is a tensor already stays as it is, and so do all
    other entries. "case" becomes the file's name where it is not given. Where there is "painted", a function, it is
    called, and the tensors that it returns by name join the case. (MONAI Deploy, which brings tensors, leaves out
    transforms named like this one.)

    Args:
        modalities: names of the modalities.
        extra_keys: further entries to read where they are paths, such as "brain" (a mask) or "label".
        extent_mm: least and greatest length of an image's longest side; a file outside has another unit of length than
            its header says.
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
        self.extent_mm = tuple(extent_mm)
        self.only_modality = check_only_modality(only_modality, self.keys)
        self.extra_keys = tuple(extra_keys)
        self.load = image_loader()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        loaded = dict(data)
        loaded |= loaded.pop("painted", dict)()
        volumes: dict[str, MetaTensor] = {}  # a 4D file is read once
        sources = {name: loaded.pop(name) for name in self.keys if name in loaded}
        if not sources and "image" in loaded and not _is_array(loaded["image"]):
            sources = self._take_apart(loaded.pop("image"), volumes)
        sources |= {key: loaded.pop(key) for key in self.extra_keys if key in loaded}
        for name, source in sources.items():
            if source is None:
                continue
            loaded[name] = source if _is_array(source) else self._one_channel(source, name, volumes)
        if "case" not in loaded and volumes:
            loaded["case"] = _name_of(next(iter(volumes)))
        return LoadedCase(loaded)

    def _take_apart(self, image: Any, volumes: dict[str, MetaTensor]) -> dict[str, Any]:
        """Say for every modality which file, or channel of a file, of "image" holds it."""
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
                f"{image}: has shape {_shape_in_file(volume)}, with the modalities on the first axis; "
                "store them on the last one."
            )
        raise InputError(wrong_channels(str(image), channels, self.keys) + _remedy_for_slices(volume))

    def _one_channel(self, source: Any, name: Hashable, volumes: dict[str, MetaTensor]) -> MetaTensor:
        """Read a path, or one channel of a file given as [path, channel], as (1, *spatial)."""
        if _is_series(source):
            return self._read_series(source)
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
        """Read a whole file or DICOM series as (C, *spatial), unless it is in `volumes` already."""
        if not isinstance(path, (str, os.PathLike)):
            raise InputError(f"image: expected a path or a list of paths, got {path!r}.")
        if str(path) not in volumes:
            volumes[str(path)] = self._read(Path(path).expanduser())
        return volumes[str(path)]

    def _read_series(self, files: Sequence[str | os.PathLike]) -> MetaTensor:
        """Read the files of one DICOM series as (1, *spatial)."""
        paths = [Path(file).expanduser() for file in files]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise InputError(f"{missing[0]}: no such file; correct the path or leave the modality out.")
        return self._loaded(paths, paths[0], DicomReader())

    def _read(self, path: Path) -> MetaTensor:
        if not path.exists():
            raise InputError(f"{path}: no such file; correct the path or leave the modality out.")
        with with_small_suffix(path) as readable:
            return self._loaded(readable, path, _reader_for(path))

    def _loaded(self, source: Path | list[Path], path: Path, reader: ITKReader | NibabelReader | None) -> MetaTensor:
        """Read a file, folder or list of files, which messages call `path`."""
        try:
            volume = self.load(source, reader=reader)
            volume.meta["filename_or_obj"] = str(path)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # nibabel, ITK, zlib and gzip each have their own
            raise InputError(
                f"{path}: cannot be read as an image, it is damaged, incomplete or of another format; copy it again or "
                f"leave the case out ({in_one_line(error)})."
            ) from error
        if volume.ndim != 4:
            raise InputError(
                f"{path}: a 3D image is expected (or 4D with channels), this one is {volume.ndim - 1}D, "
                f"shape {_shape_in_file(volume)}; store it as x, y, z (z is 1 for one slice)."
            )
        self._check_extent(path, volume)
        return volume

    def _check_extent(self, path: Path, volume: MetaTensor) -> None:
        """Refuse a file whose header has another unit of length."""
        spacing = affine_to_spacing(np.asarray(volume.affine, dtype=float))
        sides = [size * float(side) for size, side in zip(volume.shape[1:], spacing, strict=True)]
        if not self.extent_mm[0] <= max(sides) <= self.extent_mm[1]:
            measures = " x ".join(f"{side:.4g}" for side in sides)
            raise InputError(
                f"{path}: measures {measures} mm by its header, but the longest side should be "
                f"{self.extent_mm[0]:g} to {self.extent_mm[1]:g} mm; correct voxel size and unit in the header."
            )


def _is_series(source: Any) -> bool:
    """Whether it is a list of paths, and no [path, channel]."""
    is_list = isinstance(source, (list, tuple)) and len(source) > 0
    return is_list and all(isinstance(part, (str, os.PathLike)) for part in source)


def _reader_for(path: Path) -> ITKReader | NibabelReader | None:
    """Choose the reader by what the path is; None: MONAI chooses."""
    if path.is_dir():
        return DicomReader()
    if path.name.lower().endswith((".nii", ".nii.gz")):
        return NiftiReader()
    if path.name.lower().endswith((".mgh", ".mgz")):  # FreeSurfer's, which MONAI would give to ITK
        return NibabelReader()
    return DicomReader() if is_dicom(path) else None


def _shape_in_file(volume: Tensor) -> str:
    """Write the shape of a volume (C, *spatial) as its file has it, channels last."""
    channels, *spatial = volume.shape
    return " x ".join(map(str, [*spatial, channels] if channels > 1 else spatial))


def _remedy_for_slices(volume: Tensor) -> str:
    """Say what to do where slices may have been stored as channels."""
    if volume.shape[3] > 1:
        return ""
    return f" Its shape is {_shape_in_file(volume)}: if these are slices, store them on the third axis."


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, Tensor))


def _name_of(path: str) -> str:
    return Path(re.sub(r"\.gz$", "", path, flags=re.IGNORECASE)).stem if not Path(path).is_dir() else Path(path).name
