"""Read one DICOM series, and refuse a series whose slices would get a wrong position."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import ITKReader

from ..errors import InputError
from .dicom_frames import PLACE_MM, Frames, check_planes, check_steps
from .dicom_tags import frames_of, numbers_of, text_tags

__all__ = ["DicomReader", "is_dicom"]

THICKNESS, PHOTOMETRIC, PADDING, PADDING_LIMIT = "0018|0050", "0028|0004", "0028|0120", "0028|0121"
INTERCEPT, SLOPE = "0028|1052", "0028|1053"


class DicomReader(ITKReader):
    """Read a folder with one DICOM series, one file, or a list of files, whose slices form an even, upright stack.

    ITK only remarks on other stacks, or invents a geometry where tags were lost in anonymising. Oblique series are
    read.

    Raises:
        InputError: more than one series; a file without ImageOrientationPatient, ImagePositionPatient or PixelSpacing;
            slices that are missing, doubled, turned or that step sideways (tilted gantry); 0 is white.
    """

    def read(self, data: Sequence[os.PathLike] | os.PathLike, **kwargs: Any) -> Any:
        """Return ITK's image of the series in a folder, of one file, or of files in the order of their slices."""
        import itk

        files = [str(path) for path in data] if isinstance(data, (list, tuple)) else [str(data)]
        source = files[0]
        if len(files) == 1 and Path(source).is_dir():
            files = _files_of_series(source)
        frames = Frames(*(np.concatenate(rows) for rows in zip(*map(frames_of, files), strict=True)))
        check_planes(source, frames)
        if len(frames.positions) > 1:
            check_steps(source, frames)
        scalar = {"pixel_type": itk.F} if _is_scalar(files[0]) else {}  # else ITK rounds to the first slice's type
        tags = _header_or_nothing(files[0])
        if tags.get(PHOTOMETRIC, "").strip() == "MONOCHROME1":
            raise InputError(f"{source}: is MONOCHROME1, 0 is white; convert it to MONOCHROME2, or give NIfTI.")
        image = itk.imread(files if len(files) > 1 else files[0], **{**scalar, **self.kwargs, **kwargs})
        _check_places(source, frames.positions, image)
        if PADDING in tags and scalar:
            _remove_padding(source, image, [tags, *map(_header_or_nothing, files[1:])])
        if len(frames.positions) == 1:
            _set_thickness(image, files[0])
        return image


def is_dicom(path: Path) -> bool:
    """Say whether a file begins as DICOM does (PS3.10, section 7.1)."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _files_of_series(folder: str) -> list[str]:
    """Return the files of the one series in a folder, in the order of their slices."""
    import itk

    names = itk.GDCMSeriesFileNames.New()
    names.SetUseSeriesDetails(True)
    names.AddSeriesRestriction("0008|0021")
    names.SetDirectory(folder)
    series = names.GetSeriesUIDs()
    if not series:
        raise FileNotFoundError(f"no DICOM series in {folder}")
    if len(series) > 1:
        raise InputError(f"{folder}: holds more than one DICOM series; give each series a folder of its own.")
    files = list(names.GetFileNames(series[0]))
    found = {Path(file).name for file in files}
    others = (path for path in sorted(Path(folder).iterdir()) if path.name not in found and path.name[:1] != ".")
    damaged = [path for path in others if path.suffix.lower() == ".dcm"]
    if damaged:  # ITK leaves them out without a word, also where they are the first or last slices
        raise InputError(f"{damaged[0]}: cannot be read as a slice of its series; copy it again, or remove the file.")
    return files


def _header_or_nothing(file: str) -> dict[str, str]:
    """Return the tags, none where ITK cannot read them, as in enhanced images without some of them."""
    try:
        return text_tags(file)
    except RuntimeError:
        return {}


def _remove_padding(source: str, image: Any, headers: Sequence[Mapping[str, str]]) -> None:
    """Give pixels that were not measured (PixelPaddingValue) the value 0, or the lowest where some are below 0."""
    import itk

    values = itk.array_view_from_image(image)
    slices = values if len(headers) > 1 else [values]
    padded = np.stack([_is_padding(part, tags) for part, tags in zip(slices, headers, strict=True)]).reshape(
        values.shape
    )
    if not padded.any() or padded.all():
        return
    instead = min(0.0, float(values[~padded].min()))
    if (values[padded] != instead).any():
        logging.getLogger(__name__).warning(
            "%s: %d voxels have the padding value %g and become %g.", source, padded.sum(), values[padded][0], instead
        )
        values[padded] = instead


def _is_padding(values: np.ndarray, tags: Mapping[str, str]) -> np.ndarray:
    """Say which values of a file are PixelPaddingValue, or between it and PixelPaddingRangeLimit, after rescaling."""
    slope, intercept = (numbers_of(tags.get(tag, ""), 1) or [default] for tag, default in ((SLOPE, 1), (INTERCEPT, 0)))
    stored = [number for tag in (PADDING, PADDING_LIMIT) for number in numbers_of(tags.get(tag, ""), 1) or []]
    if PADDING not in tags or not stored:
        return np.zeros_like(values, dtype=bool)
    ends = np.float32(np.array(stored) * slope[0] + intercept[0])
    return (values >= ends.min()) & (values <= ends.max())


def _is_scalar(file: str) -> bool:
    """Whether a pixel is one number, not a colour."""
    import itk

    reader = itk.GDCMImageIO.New()
    reader.SetFileName(file)
    reader.ReadImageInformation()
    return reader.GetNumberOfComponents() == 1


def _check_places(source: str, positions: np.ndarray, image: Any) -> None:
    """Refuse slices that ITK places elsewhere than their tags."""
    import itk

    direction, spacing = itk.array_from_matrix(image.GetDirection()), np.asarray(image.GetSpacing())
    count = itk.size(image)[2] if image.GetImageDimension() == 3 else 1
    if count != len(positions):
        raise InputError(
            f"{source}: {len(positions)} slices have a position, but the image has {count}; export it as one file per "
            "slice, or give NIfTI."
        )
    step = direction[:3, 2] * spacing[2] if count > 1 else 0.0
    places = np.asarray(image.GetOrigin()) + np.outer(np.arange(count), step)
    off = np.linalg.norm(places - positions, axis=1).max()
    if off > 2 * PLACE_MM:  # ITK's step is the mean one
        raise InputError(
            f"{source}: slices would be read {off:.3g} mm from where their tags place them; export it as one file per "
            "slice, or give NIfTI."
        )


def _set_thickness(image: Any, file: str) -> None:
    """Give a single slice the thickness in its file, where ITK assumes 1 mm."""
    thickness = numbers_of(text_tags(file).get(THICKNESS, ""), 1)
    if thickness and thickness[0] > 0 and image.GetImageDimension() == 3:
        image.SetSpacing([*list(image.GetSpacing())[:2], thickness[0]])
