"""Write the mask of an ultrasound picture as a DICOM Segmentation."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from .save_segmentation import SaveImageDicomSegd
from .segmentation_object import segmentation_of

__all__ = ["SaveImagePictureSegd", "picture_segmentation"]

ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"  # image of one frame


class SaveImagePictureSegd(SaveImageDicomSegd):
    """Write ``<case>_seg.dcm``, a BINARY Segmentation of one picture, as `SaveImageDicomSegd` does of a series.

    Ultrasound has pixels and no place in the patient (no frame of reference), so the Segmentation has none either: its
    pixels are those of the image that it refers to, or of that image's frame.

    Settings are those of `SaveImageDicomSegd`, for regions (1, H, W). A picture has no volumes: `report` has no effect.
    """

    def _files(self, data: Mapping[Hashable, Any], inputs: Mapping[str, Any]) -> Sequence[str]:
        return list(inputs.values())

    def _made(self, labels: np.ndarray, data: Mapping[Hashable, Any], files: Sequence[str]) -> dict[str, Any]:
        frame = json.loads(data["dicom"])["frame"]
        return {"segmentation": picture_segmentation(labels, files[0], frame, self.codes, **self.bundle)}


def picture_segmentation(
    labels: np.ndarray, file: str, frame: int, codes: Mapping[str, Mapping[str, Sequence[str]]], name: str, version: str
) -> Any:
    """Make a Segmentation of one picture.

    Args:
        labels: (rows, columns), 0 and the regions from 1 on.
        file: of the image.
        frame: number of the frame, from 1 on.
        codes: {region: {"category": code, "type": code}} in the order of the regions.
        name: of the algorithm.
        version: of the algorithm.

    Returns:
        The dataset, highdicom's `Segmentation`.
    """
    import pydicom

    source = pydicom.dcmread(file, stop_before_pixels=True)
    kind, several = source.SOPClassUID, int(source.get("NumberOfFrames") or 1) > 1
    source.SOPClassUID = ULTRASOUND  # highdicom takes one frame alone where there is no place in the patient
    entropy = [str(source.SOPInstanceUID), str(frame)]
    segmentation = segmentation_of(labels[None], [source], codes, entropy, name, version)
    segmentation.PatientOrientation = source.get("PatientOrientation") or ""  # required without a place in the patient

    def refer(item: pydicom.Dataset, element: pydicom.DataElement) -> None:
        if element.keyword == "ReferencedSOPClassUID":
            element.value = kind

    segmentation.walk(refer)
    if several:
        for item in segmentation.PerFrameFunctionalGroupsSequence:
            item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = frame
    return segmentation
