"""Read the tags of a DICOM file before its pixels, and refuse a file that is cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InputError

__all__ = ["file_tags", "is_directory"]

DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR
FEW = 32  # bytes: less than any image has
WITHOUT_PREAMBLE = b"\x08\x00"  # group 8, with which old files begin
ONLY_PREAMBLE_MISSING = b"\x02\x00\x00\x00UL"  # group 2, which follows it


def is_directory(dataset: Any) -> bool:
    """Whether a file is a DICOMDIR, which lists others."""
    return dataset.file_meta.get("MediaStorageSOPClassUID", "") == DIRECTORY


def file_tags(path: Path, name: str) -> Any:
    """Return the tags before the pixels, pydicom's dataset, or None where it is no DICOM file.

    Args:
        path: of the file.
        name: what messages call it.

    Raises:
        InputError: the file is cut off or damaged, or cannot be opened.
    """
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
