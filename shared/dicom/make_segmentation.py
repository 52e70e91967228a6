"""Make a DICOM Segmentation of frames that are those of their source."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .volume_report import MOST_LETTERS

__all__ = ["segmentation_of"]

SERIES_NUMBER = 1000


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
