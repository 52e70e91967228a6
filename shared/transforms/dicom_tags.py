"""Read the tags of a DICOM file that place its slices, also those of enhanced multi-frame images."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..errors import InputError
from .dicom_frames import Frames

__all__ = ["frames_of", "numbers_of", "text_tags"]

TAGS = {  # name: group and element, how many numbers
    "ImageOrientationPatient": (0x0020, 0x0037, 6),
    "ImagePositionPatient": (0x0020, 0x0032, 3),
    "PixelSpacing": (0x0028, 0x0030, 2),
}

FUNCTIONAL_GROUPS = (b"\x00\x52\x29\x92", b"\x00\x52\x30\x92")  # shared and per frame, of enhanced multi-frame images
PIXEL_DATA = b"\xe0\x7f\x10\x00"


def frames_of(file: str) -> Frames:
    """Read the three tags of a slice, or of all frames of an enhanced multi-frame image."""
    top_level, nested = {}, b""
    try:
        top_level = text_tags(file)
    except RuntimeError:  # also where functional groups lack a tag
        nested = _functional_groups(file)
        if not nested:
            raise
    values = {}
    for name, (group, element, count) in TAGS.items():
        key = f"{group:04x}|{element:04x}"
        if key in top_level:
            texts = [top_level[key]]
        else:
            nested = nested or _functional_groups(file)
            texts = _nested_texts(nested, group, element)
        values[name] = [numbers_of(text, count) for text in texts]
        if not values[name] or any(numbers is None for numbers in values[name]):
            raise InputError(
                f"{file}: {name} is missing or not {count} numbers, so the position of the slice is unknown; "
                "export the series again with this tag (anonymising may have removed it), or give NIfTI."
            )
    count = len(values["ImagePositionPatient"])
    rows = {name: numbers * count if len(numbers) == 1 else numbers for name, numbers in values.items()}
    if any(len(numbers) != count for numbers in rows.values()):
        raise InputError(
            f"{file}: {len(rows['ImageOrientationPatient'])} orientations and {len(rows['PixelSpacing'])} pixel "
            f"spacings for {count} positions; export one file per slice, or give NIfTI."
        )
    return Frames(np.array([file] * count), *(np.array(rows[name]) for name in TAGS))


def text_tags(file: str) -> dict[str, str]:
    """Return the tags of a file that are texts and not nested, {"0020|0032": text}."""
    import itk

    reader = itk.GDCMImageIO.New()
    reader.SetFileName(file)
    reader.ReadImageInformation()
    tags = reader.GetMetaDataDictionary()
    return {key: tags[key] for key in tags.GetKeys() if isinstance(tags[key], str)}


def _functional_groups(file: str) -> bytes:
    """Return what a file holds between the start of the functional groups and the pixels; else nothing."""
    content = Path(file).read_bytes()
    content = content[: content.find(PIXEL_DATA)] if PIXEL_DATA in content else content
    starts = [content.find(tag) for tag in FUNCTIONAL_GROUPS if tag in content]
    return content[min(starts) :] if starts else b""


def _nested_texts(content: bytes, group: int, element: int) -> list[str]:
    """Return the values of a tag of type DS wherever it is in nested sequences, with or without explicit type."""
    tag = re.escape(group.to_bytes(2, "little") + element.to_bytes(2, "little"))
    pattern = re.compile(tag + rb"(?:DS(..)|(..)\x00\x00)", flags=re.DOTALL)
    texts = []
    for found in pattern.finditer(content):
        length = int.from_bytes(found[1] or found[2], "little")
        texts.append(content[found.end() : found.end() + length].decode("ascii", errors="replace"))
    return texts


def numbers_of(text: str, count: int) -> list[float] | None:
    try:
        numbers = [float(part) for part in text.strip("\0 ").split("\\")]
    except ValueError:
        return None
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None
