"""What the DICOM files of a folder say about themselves, without their pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .file_tags import file_tags, is_directory
from .tag_values import (
    first_number,
    frames_of,
    nested_value,
    number_or,
    numbers_of_frames,
    private_b_value,
    texts_of,
    whole_number,
)
from .without_words import without_words

__all__ = ["Header", "read_headers"]

GEOMETRY = {"ImageOrientationPatient": 6, "ImagePositionPatient": 3, "PixelSpacing": 2}  # how many numbers
PARAMETERS = {  # of a sequence; the second name is that of enhanced multi-frame images
    "echo_time_ms": ("EchoTime", "EffectiveEchoTime"),
    "repetition_time_ms": ("RepetitionTime",),
    "inversion_time_ms": ("InversionTime", "InversionTimes"),
    "b_value": ("DiffusionBValue",),
}
MR_IMAGES = ("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4")
COLOURS = ("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420")


@dataclass(frozen=True)
class Header:
    """One file of a study.

    Attributes:
        path: of the file.
        name: path below the folder of the study.
        kind: Modality, such as "MR".
        is_mr: an MR image, classic or enhanced; no secondary capture.
        has_pixels: an image at all.
        patient: patient's id, name and date of birth, to be compared and never shown.
        study: StudyInstanceUID.
        series: SeriesInstanceUID.
        instance: SOPInstanceUID.
        frame_of_reference: FrameOfReferenceUID, or "".
        number: SeriesNumber, or "".
        description: SeriesDescription, or "".
        image_type: values of ImageType in small letters.
        sequence: ScanningSequence and SequenceName in small letters.
        contrast: a contrast agent is named.
        parameters: numbers of the sequence that are there, by the names of `PARAMETERS`.
        size: columns, rows.
        geometry: {tag: (frames, n) numbers}; a tag that is missing or damaged is absent.
        rescaling: the slopes and intercepts of its frames; NaN where one is no number.
        in_colour: the pixels are colours.
        instance_number: InstanceNumber, or None.
        in_acquisition: ImagesInAcquisition, or None.
        time: AcquisitionDate and AcquisitionTime, or "" where one of them is not there.
    """

    path: Path
    name: str
    kind: str
    is_mr: bool
    has_pixels: bool
    patient: tuple[str, str, str]
    study: str
    series: str
    instance: str
    frame_of_reference: str
    number: str
    description: str
    image_type: tuple[str, ...]
    sequence: tuple[str, ...]
    contrast: bool
    parameters: dict[str, float]
    size: tuple[int, int]
    geometry: dict[str, np.ndarray]
    rescaling: frozenset[tuple[float, float]]
    in_colour: bool = False
    instance_number: int | None = None
    in_acquisition: int | None = None
    time: str = ""


def read_headers(folder: Path) -> tuple[list[Header], list[str]]:
    """Read every DICOM file below a folder, in any order, and list the other files.

    Hidden files and DICOMDIR are passed over.

    Raises:
        InputError: a DICOM file is cut off or damaged, or a file cannot be opened.
    """
    with without_words():
        return _read_headers(folder)


def _read_headers(folder: Path) -> tuple[list[Header], list[str]]:
    found, others = [], []
    for path in sorted(_files_below(folder)):
        name = path.relative_to(folder).as_posix()
        dataset = file_tags(path, name)
        if dataset is None:
            others += [name] if path.name.upper() != "DICOMDIR" else []
        elif not is_directory(dataset):
            found.append(_header(dataset, path, name))
    return found, others


def _files_below(folder: Path) -> Iterator[Path]:
    seen = set()
    for parent, subfolders, files in os.walk(folder, followlinks=True):
        place = os.path.realpath(parent)
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and place not in seen]
        if place not in seen:  # a link may lead back
            yield from (Path(parent, name) for name in files if not name.startswith("."))
        seen.add(place)


def _header(dataset: Any, path: Path, name: str) -> Header:
    kind, image_class = str(dataset.get("Modality", "")), str(dataset.get("SOPClassUID", ""))
    frames = frames_of(dataset)
    description = " ".join(str(dataset.get("SeriesDescription") or "").split())
    values = {key: first_number(dataset, names) for key, names in PARAMETERS.items()}
    if values["b_value"] is None:
        values["b_value"] = private_b_value(dataset)
    return Header(
        path=path,
        name=name,
        kind=kind,
        is_mr=kind == "MR" and image_class in MR_IMAGES,
        has_pixels="BitsAllocated" in dataset,  # spectra have rows, too
        patient=tuple(str(dataset.get(tag) or "") for tag in ("PatientID", "PatientName", "PatientBirthDate")),
        study=str(dataset.get("StudyInstanceUID", "")),
        series=str(dataset.get("SeriesInstanceUID", "")),
        instance=str(dataset.get("SOPInstanceUID", "")),
        frame_of_reference=str(dataset.get("FrameOfReferenceUID") or ""),
        number="" if dataset.get("SeriesNumber") is None else str(dataset.SeriesNumber),
        description=description,
        image_type=tuple(text.lower() for text in texts_of(dataset.get("ImageType"))),
        sequence=tuple(
            text.lower()
            for tag in ("ScanningSequence", "SequenceName", "PulseSequenceName", "EchoPlanarPulseSequence")
            for text in texts_of(nested_value(dataset, tag))
        ),
        contrast=_has_contrast(dataset),
        parameters={key: value for key, value in values.items() if value is not None},
        size=(int(dataset.get("Columns") or 0), int(dataset.get("Rows") or 0)),
        geometry={
            tag: rows for tag, count in GEOMETRY.items() if (rows := numbers_of_frames(frames, tag, count)) is not None
        },
        rescaling=frozenset(map(_rescaling, frames)),
        in_colour=str(dataset.get("PhotometricInterpretation", "")) in COLOURS,
        instance_number=whole_number(dataset, "InstanceNumber"),
        in_acquisition=whole_number(dataset, "ImagesInAcquisition"),
        time=_time(dataset),
    )


def _rescaling(frame: Any) -> tuple[float, float]:
    """Return slope and intercept; NaN where one is no number: ITK would read another."""
    slope, intercept = (nested_value(frame, tag) for tag in ("RescaleSlope", "RescaleIntercept"))
    slope, intercept = 1 if slope in (None, "") else slope, 0 if intercept in (None, "") else intercept
    return number_or(slope, float("nan")), number_or(intercept, float("nan"))


def _time(dataset: Any) -> str:
    date, time = (str(dataset.get(f"Acquisition{part}") or "") for part in ("Date", "Time"))
    return date + time if date and time else ""


def _has_contrast(dataset: Any) -> bool:
    agent = str(nested_value(dataset, "ContrastBolusAgent") or "").strip().lower()
    return agent not in ("", "none", "no", "keine", "aucun")
