"""What the DICOM files of a folder say about themselves, without their pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError
from .without_words import without_words

__all__ = ["Header", "read_headers"]

GEOMETRY = {"ImageOrientationPatient": 6, "ImagePositionPatient": 3, "PixelSpacing": 2}  # how many numbers
B_VALUES = (0x0019100C, 0x00431039)  # private tags of Siemens and GE
PARAMETERS = {  # of a sequence; the second name is that of enhanced multi-frame images
    "echo_time_ms": ("EchoTime", "EffectiveEchoTime"),
    "repetition_time_ms": ("RepetitionTime",),
    "inversion_time_ms": ("InversionTime", "InversionTimes"),
    "b_value": ("DiffusionBValue",),
}
DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR
MR_IMAGES = ("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4")
FEW = 32  # bytes: less than any image has
WITHOUT_PREAMBLE = b"\x08\x00"  # group 8, with which old files begin
ONLY_PREAMBLE_MISSING = b"\x02\x00\x00\x00UL"  # group 2, which follows it
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
        rescaling: the slopes and intercepts of its frames.
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
        dataset = _dataset(path, name)
        if dataset is None:
            others += [name] if path.name.upper() != "DICOMDIR" else []
        elif dataset.file_meta.get("MediaStorageSOPClassUID", "") != DIRECTORY:
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


def _dataset(path: Path, name: str) -> Any:
    """Return the tags before the pixels, or None where it is no DICOM file."""
    import pydicom

    damaged = InputError(f"{name}: is cut off or damaged; copy it again, or remove it from the folder.")
    if path.exists() and not path.is_file():  # a pipe, which would have to be waited for
        return None
    with _opened(path, name) as file:
        head = file.read(132)
        looks_so = head[128:] == b"DICM" or head.startswith((WITHOUT_PREAMBLE, ONLY_PREAMBLE_MISSING))
        if not looks_so:
            if path.suffix.lower() in (".dcm", ".ima") or (not head and not path.suffix):
                raise damaged
            return None
        if head.startswith(ONLY_PREAMBLE_MISSING):  # ITK does not read it
            raise InputError(f"{name}: lacks the first 132 bytes of a DICOM file (preamble and DICM); copy it again.")
        file.seek(0)
        try:
            dataset = pydicom.dcmread(file, stop_before_pixels=True, force=head[128:] != b"DICM")
            left = path.stat().st_size - file.tell()
            if "SOPClassUID" not in dataset and "DirectoryRecordSequence" not in dataset:
                raise damaged
            expected = 0 if "DirectoryRecordSequence" in dataset else _bytes_of_pixels(dataset)
        except InputError:
            raise
        except Exception as error:  # pydicom raises what the damage makes of it
            raise damaged from error
    if left < expected:
        raise damaged
    return dataset


def _opened(path: Path, name: str) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{name}: cannot be opened ({error.strerror}); copy it again, or remove it.") from error


def _bytes_of_pixels(dataset: Any) -> int:
    """Return how many bytes must follow the other tags: few where pixels are compressed, 0 where it is no image."""
    if "BitsAllocated" not in dataset:  # pydicom reads a file that ends among the tags without a word
        return FEW if "Image Storage" in dataset.SOPClassUID.name else 0
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is not None and syntax.is_deflated:  # read as a whole
        return 0
    if syntax is None or syntax.is_compressed:
        return FEW
    frames = int(dataset.get("NumberOfFrames") or 1)
    samples = (
        2 if dataset.get("PhotometricInterpretation") == "YBR_FULL_422" else int(dataset.get("SamplesPerPixel", 1))
    )
    bits = int(dataset.BitsAllocated) * samples * frames
    return int(dataset.Rows) * int(dataset.Columns) * bits // 8


def _header(dataset: Any, path: Path, name: str) -> Header:
    kind, image_class = str(dataset.get("Modality", "")), str(dataset.get("SOPClassUID", ""))
    frames = _frames(dataset)
    description = " ".join(str(dataset.get("SeriesDescription") or "").split())
    values = {key: _parameter(dataset, names) for key, names in PARAMETERS.items()}
    if values["b_value"] is None:
        values["b_value"] = _private_b_value(dataset)
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
        image_type=tuple(text.lower() for text in _texts(dataset.get("ImageType"))),
        sequence=tuple(
            text.lower()
            for tag in ("ScanningSequence", "SequenceName", "PulseSequenceName", "EchoPlanarPulseSequence")
            for text in _texts(_nested(dataset, tag))
        ),
        contrast=_has_contrast(dataset),
        parameters={key: value for key, value in values.items() if value is not None},
        size=(int(dataset.get("Columns") or 0), int(dataset.get("Rows") or 0)),
        geometry={tag: rows for tag, count in GEOMETRY.items() if (rows := _rows(frames, tag, count)) is not None},
        rescaling=frozenset(
            (_number(_nested(f, "RescaleSlope"), 1.0), _number(_nested(f, "RescaleIntercept"), 0.0)) for f in frames
        ),
        in_colour=str(dataset.get("PhotometricInterpretation", "")) in COLOURS,
        instance_number=_whole(dataset, "InstanceNumber"),
        in_acquisition=_whole(dataset, "ImagesInAcquisition"),
        time=_time(dataset),
    )


def _frames(dataset: Any) -> list[Any]:
    """Return one dataset per frame, each with what all frames share."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    if not per_frame:
        return [dataset]
    from pydicom import Dataset

    common = dataset.get("SharedFunctionalGroupsSequence") or [{}]
    frames = []
    for own in per_frame:
        merged = Dataset()
        merged.update(common[0])
        merged.update(own)
        frames.append(merged)
    return frames


def _rows(frames: list[Any], tag: str, count: int) -> np.ndarray | None:
    """Return (frames, count) numbers of a tag, or None where a frame lacks them."""
    rows = []
    for frame in frames:
        try:
            numbers = [float(value) for value in _nested(frame, tag)]
        except (TypeError, ValueError):
            return None
        if len(numbers) != count or not np.isfinite(numbers).all():
            return None
        rows.append(numbers)
    return np.array(rows)


def _nested(dataset: Any, tag: str) -> Any:
    """Return the value of a tag, from the first item of a sequence where it is not at the top; None where it is not."""
    if tag in dataset:
        return dataset[tag].value
    for element in dataset:
        if element.VR == "SQ" and element.value and (value := _nested(element.value[0], tag)) is not None:
            return value
    return None


def _parameter(dataset: Any, names: tuple[str, ...]) -> float | None:
    for name in names:
        value = _nested(dataset, name)
        number = _number(value[0] if _is_many(value) else value, None)
        if number is not None:
            return number
    return None


def _private_b_value(dataset: Any) -> float | None:
    for tag in B_VALUES:
        if tag in dataset:
            value = dataset[tag].value
            value = value.decode("ascii", errors="replace") if isinstance(value, bytes) else value
            text = str(value[0] if _is_many(value) else value).split("\\")[0]
            number = _number(text, None)
            return None if number is None else number % 1e6  # GE adds 1e9
    return None


def _number(value: Any, otherwise: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return otherwise


def _whole(dataset: Any, tag: str) -> int | None:
    number = _number(dataset.get(tag), None)
    return None if number is None else int(number)


def _time(dataset: Any) -> str:
    date, time = (str(dataset.get(f"Acquisition{part}") or "") for part in ("Date", "Time"))
    return date + time if date and time else ""


def _is_many(value: Any) -> bool:
    return hasattr(value, "__getitem__") and not isinstance(value, (str, bytes)) and len(value) > 0


def _texts(value: Any) -> list[str]:
    return [] if value in (None, "") else [str(part) for part in value] if _is_many(value) else [str(value)]


def _has_contrast(dataset: Any) -> bool:
    agent = str(_nested(dataset, "ContrastBolusAgent") or "").strip().lower()
    return agent not in ("", "none", "no", "keine", "aucun")
