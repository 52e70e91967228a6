"""Write volumes as DICOM, one MR file per slice, and what every file of a study has."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from monai.data.utils import orientation_ras_lps

from ..atomic_write import atomic_write

__all__ = ["MR", "Study", "add_pixels", "common_tags", "save", "slice_positions", "write_series"]

MR = "1.2.840.10008.5.1.4.1.1.4"
DIGITS = 12  # of positions and directions


class Study(NamedTuple):
    """What all files of a study say alike.

    Attributes:
        uid: StudyInstanceUID; those of series and images begin with it.
        place: FrameOfReferenceUID.
        patient_name: PatientName.
        patient_id: PatientID.
        birth_date: PatientBirthDate.
    """

    uid: str
    place: str
    patient_name: str
    patient_id: str
    birth_date: str = "19500101"


def write_series(
    folder: Path,
    volume: np.ndarray,
    affine: np.ndarray,
    number: int,
    description: str = "",
    *,
    study: Study,
    prefix: str = "",
    first: int = 1,
    **tags: Any,
) -> list[Path]:
    """Write a volume as one MR file per slice.

    Args:
        folder: of the files.
        volume: (x, y, z) whole numbers of 16 bits; the slices are along z.
        affine: (4, 4), voxel to world in NIfTI's axes.
        number: SeriesNumber, also the end of the series' UID.
        description: SeriesDescription.
        study: of the series.
        prefix: of the files' names.
        first: InstanceNumber of the first slice, where a series is written in several parts.
        tags: further tags, or others in place of those that are written; None removes one.

    Returns:
        The files in the order of the slices.
    """
    axes, spacing, positions = slice_positions(affine, volume.shape[2])
    paths = []
    for index, position in enumerate(positions):
        dataset = common_tags(study, number, description, f"{study.uid}.{number}.{first + index}", MR)
        dataset.InstanceNumber, dataset.ImagesInAcquisition = first + index, volume.shape[2]
        dataset.ImageOrientationPatient, dataset.ImagePositionPatient = axes, position
        dataset.PixelSpacing = [float(spacing[1]), float(spacing[0])]
        dataset.SliceThickness = float(spacing[2])
        add_pixels(dataset, volume[:, :, index].T)
        for tag, value in tags.items():
            if value is None:
                delattr(dataset, tag)
            else:
                setattr(dataset, tag, value)
        paths.append(folder / f"{prefix}{index:03}.dcm")
        save(dataset, paths[-1])
    return paths


def common_tags(study: Study, number: int, description: str, instance: str, kind: str, modality: str = "MR") -> Any:
    """Return a dataset with what every file of a study has.

    Args:
        study: of the file.
        number: SeriesNumber.
        description: SeriesDescription.
        instance: SOPInstanceUID.
        kind: SOPClassUID.
        modality: Modality.
    """
    from pydicom.dataset import Dataset

    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = kind, instance, modality
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = study.patient_name, study.patient_id
    dataset.PatientBirthDate, dataset.PatientSex = study.birth_date, "F"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber, dataset.StudyID = "20200101", "120000", "1", "1"
    dataset.AcquisitionDate, dataset.AcquisitionTime = "20200101", f"12{number % 60:02}00"
    dataset.ReferringPhysicianName, dataset.Manufacturer = "", "painted"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study.uid, f"{study.uid}.{number}"
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = study.place, ""
    dataset.SeriesNumber, dataset.SeriesDescription = number, description
    return dataset


def add_pixels(dataset: Any, pixels: np.ndarray) -> None:
    """Add grey pixels (rows, columns) or (frames, rows, columns), 16 bits, signed where some are negative."""
    signed = pixels.min() < 0
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = int(signed)
    dataset.PixelData = np.ascontiguousarray(pixels.astype("<i2" if signed else "<u2")).tobytes()


def save(dataset: Any, path: Path) -> None:
    """Write a dataset, explicit little endian."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with atomic_write(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def slice_positions(affine: np.ndarray, count: int) -> tuple[list[float], np.ndarray, list[list[float]]]:
    """Return the direction of rows and of columns, the edges of a voxel, and the position of every slice."""
    lps = orientation_ras_lps(np.asarray(affine, dtype=float))
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / spacing
    positions = [[_short(value) for value in lps[:3, 3] + lps[:3, 2] * index] for index in range(count)]
    return [_short(value) for value in (*axes[:, 0], *axes[:, 1])], spacing, positions


def _short(value: float) -> float:
    """Round to what the 16 characters of a decimal string hold."""
    return float(f"{value:.{DIGITS}g}")
