"""Read one volume, whatever its format, and say in one line what is wrong with its file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from monai.data import ITKReader, MetaTensor, NibabelReader
from monai.data.utils import affine_to_spacing
from torch import Tensor

from ..errors import InputError, in_one_line
from .image_loader import image_loader
from .read_dicom import DicomReader, is_dicom
from .read_nifti import NiftiReader
from .small_suffix import is_nifti, with_small_suffix

__all__ = ["VolumeReader", "shape_in_file"]


class VolumeReader:
    """MONAI's `LoadImage` for volumes (C, *spatial), float32, in millimetres.

    Args:
        extent_mm: least and greatest length of a volume's longest side. If a file is outside, its header has another
            unit of length.

    Raises:
        InputError: no such file, a damaged one, no volume, or another unit of length.
    """

    def __init__(self, extent_mm: Sequence[float]) -> None:
        self.extent_mm = tuple(extent_mm)
        self.load = image_loader()

    def __call__(self, path: Path) -> MetaTensor:
        """Read a file, or a folder with one DICOM series."""
        _require(path.exists(), path)
        with with_small_suffix(path) as readable:
            return self._load(readable, path, _reader_for(path))

    def series(self, files: Sequence[str | os.PathLike]) -> MetaTensor:
        """Read the files of one DICOM series, in the order of the slices."""
        paths = [Path(file).expanduser() for file in files]
        for path in paths:
            _require(path.is_file(), path)
        return self._load(paths, paths[0], DicomReader())

    def _load(self, source: Path | list[Path], path: Path, reader: ITKReader | NibabelReader | None) -> MetaTensor:
        """Read `source`, which errors call `path`."""
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
                f"shape {shape_in_file(volume)}; store it as x, y, z (z is 1 for one slice)."
            )
        self._check_extent(path, volume)
        return volume

    def _check_extent(self, path: Path, volume: MetaTensor) -> None:
        spacing = affine_to_spacing(np.asarray(volume.affine, dtype=float))
        sides = [size * float(side) for size, side in zip(volume.shape[1:], spacing, strict=True)]
        if not self.extent_mm[0] <= max(sides) <= self.extent_mm[1]:
            measures = " x ".join(f"{side:.4g}" for side in sides)
            raise InputError(
                f"{path}: measures {measures} mm by its header, but the longest side should be "
                f"{self.extent_mm[0]:g} to {self.extent_mm[1]:g} mm; correct voxel size and unit in the header."
            )


def shape_in_file(volume: Tensor) -> str:
    """Write the shape of a volume (C, *spatial) as its file has it, channels last."""
    channels, *spatial = volume.shape
    return " x ".join(map(str, [*spatial, channels] if channels > 1 else spatial))


def _require(exists: bool, path: Path) -> None:
    if not exists:
        raise InputError(f"{path}: no such file; correct the path or leave the modality out.")


def _reader_for(path: Path) -> ITKReader | NibabelReader | None:
    """Choose the reader for a file or folder; None: MONAI chooses."""
    if path.is_dir():
        return DicomReader()
    if is_nifti(path):
        return NiftiReader()
    if path.name.lower().endswith((".mgh", ".mgz")):  # FreeSurfer's, which MONAI would give to ITK
        return NibabelReader()
    return DicomReader() if is_dicom(path) else None
