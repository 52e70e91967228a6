"""Make a DICOM Segmentation of a label map on the grid of a series."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from monai.data import MetaTensor
from monai.data.utils import orientation_ras_lps

from ..errors import InputError
from .volume_report import MOST_LETTERS

__all__ = ["dicom_segmentation", "segmentation_of"]

PLACE_MM = 0.2  # a slice of the label map may be this far from that of the series
SERIES_NUMBER = 1000


def dicom_segmentation(
    labels: np.ndarray,
    image: MetaTensor,
    files: Sequence[str],
    codes: Mapping[str, Mapping[str, Sequence[str]]],
    name: str,
    version: str,
) -> Any:
    """Make a Segmentation.

    Args:
        labels: (x, y, z), 0 and the classes from 1 on, on the grid of the image.
        image: whose affine says where the voxels are.
        files: of the series, in the order of the slices; or the one multi-frame file.
        codes: {class: {"category": code, "type": code}} in the order of the classes.
        name: of the algorithm.
        version: of the algorithm.

    Returns:
        The dataset, highdicom's `Segmentation`.

    Raises:
        InputError: the slices of the label map are not where those of the series are.
    """
    import pydicom

    source = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    frames = labels.transpose(2, 1, 0)  # slices, rows, columns
    _check_places(np.asarray(image.affine, dtype=float), frames.shape, source)
    return segmentation_of(frames, source, codes, [str(source[0].SeriesInstanceUID)], name, version)


def segmentation_of(
    frames: np.ndarray,
    source: Sequence[Any],
    codes: Mapping[str, Mapping[str, Sequence[str]]],
    entropy: Sequence[str],
    name: str,
    version: str,
) -> Any:
    """Make a Segmentation of frames that are those of their source.

    Args:
        frames: (frames, rows, columns), 0 and the classes from 1 on.
        source: headers of the images.
        codes: as in `dicom_segmentation`.
        entropy: tells what was segmented, for the UIDs.
        name: of the algorithm.
        version: of the algorithm.

    Returns:
        The dataset, highdicom's `Segmentation`.
    """
    import highdicom
    import pydicom
    from pydicom.sr.codedict import codes as known_codes

    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=name[:MOST_LETTERS], family=known_codes.DCM.ArtificialIntelligence, version=version
    )
    segments = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=label[:MOST_LETTERS],
            segmented_property_category=highdicom.sr.CodedConcept(*code["category"]),
            segmented_property_type=highdicom.sr.CodedConcept(*code["type"]),
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
        )
        for number, (label, code) in enumerate(codes.items(), start=1)
    ]
    entropy = [*entropy, name, version, hashlib.sha256(frames.tobytes()).hexdigest()]
    return highdicom.seg.Segmentation(
        source_images=source,
        pixel_array=np.stack([frames == number for number in range(1, 1 + len(codes))], axis=-1),
        segmentation_type="BINARY",
        segment_descriptions=segments,
        series_instance_uid=pydicom.uid.generate_uid(entropy_srcs=[*entropy, "series"]),
        series_number=SERIES_NUMBER,
        sop_instance_uid=pydicom.uid.generate_uid(entropy_srcs=entropy),
        instance_number=1,
        manufacturer="MONAI bundle",
        manufacturer_model_name=name[:MOST_LETTERS],
        software_versions=version,
        device_serial_number="1",
        content_label="SEGMENTATION",
        content_description="For research use only",
        series_description="Segmentation, for research use only",
        omit_empty_frames=bool(frames.any()),
    )


def _check_places(affine: np.ndarray, shape: tuple[int, ...], source: Sequence[Any]) -> None:
    """Refuse a label map whose slices are not those of the series."""
    count = int(source[0].get("NumberOfFrames") or len(source))
    expected = (count, source[0].Rows, source[0].Columns)
    if shape != expected:
        raise InputError(
            f"the label map has {shape} slices, rows and columns, its series has {expected}; leave --dicom_seg out."
        )
    if "PerFrameFunctionalGroupsSequence" in source[0]:
        frames = source[0].PerFrameFunctionalGroupsSequence
        places = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames]
    else:
        places = [image.ImagePositionPatient for image in source]
    corners = (orientation_ras_lps(affine) @ np.array([[0, 0, z, 1.0] for z in range(count)]).T)[:3].T
    off = np.linalg.norm(corners - np.array(places, dtype=float), axis=1).max()
    if off > PLACE_MM:
        raise InputError(f"slices of the label map are {off:.3g} mm from those of its series; leave --dicom_seg out.")
