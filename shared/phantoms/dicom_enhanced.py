"""Write a volume as DICOM, one enhanced MR file whose frames are the slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .dicom_files import Study, add_pixels, common_tags, save, slice_positions

__all__ = ["ENHANCED_MR", "write_enhanced"]

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def write_enhanced(
    path: Path,
    volume: np.ndarray,
    affine: np.ndarray,
    number: int,
    description: str = "",
    *,
    study: Study,
    order: Sequence[int] | None = None,
    slopes: Sequence[float] | None = None,
    echo_times: Sequence[float] = (100.0,),
    **tags: Any,
) -> Path:
    """Write all slices of a volume as the frames of one enhanced MR image.

    Args:
        path: of the file.
        volume: see `write_series`, as are affine, number, description and study.
        affine: see there.
        number: see there.
        description: see there.
        study: see there.
        order: whose position each frame has; its own by default.
        slopes: RescaleSlope of each frame; 1 by default.
        echo_times: of the frames in turn, in milliseconds.
        tags: further tags of the file, or others in place of those that are written.

    Returns:
        `path`.
    """
    from pydicom.dataset import Dataset

    axes, spacing, positions = slice_positions(affine, volume.shape[2])
    dataset = common_tags(study, number, description, f"{study.uid}.{number}.1", ENHANCED_MR)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "T2", "NONE"]
    dataset.NumberOfFrames = volume.shape[2]
    shared, measures, plane, timing = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [float(spacing[1]), float(spacing[0])], float(spacing[2])
    plane.ImageOrientationPatient = axes
    timing.RepetitionTime = 5000
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    shared.MRTimingAndRelatedParametersSequence = [timing]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for index, place in enumerate(order or range(volume.shape[2])):
        frame, position, echo, values = Dataset(), Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = positions[place]
        echo.EffectiveEchoTime = float(echo_times[index % len(echo_times)])
        values.RescaleSlope, values.RescaleIntercept = (slopes or [1] * len(positions))[index], 0
        values.RescaleType = "US"
        frame.PlanePositionSequence, frame.MREchoSequence = [position], [echo]
        frame.PixelValueTransformationSequence = [values]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    add_pixels(dataset, volume.T)
    for tag, value in tags.items():
        setattr(dataset, tag, value)
    save(dataset, path)
    return path
