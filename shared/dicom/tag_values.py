"""Values of DICOM tags as numbers and texts, also where they are nested, missing or damaged."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "first_number",
    "frames_of",
    "nested_value",
    "number_or",
    "numbers_of_frames",
    "private_b_value",
    "texts_of",
    "whole_number",
]

B_VALUES = (0x0019100C, 0x00431039)  # private tags of Siemens and GE


def frames_of(dataset: Any) -> list[Any]:
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


def numbers_of_frames(frames: list[Any], tag: str, count: int) -> np.ndarray | None:
    """Return (frames, count) numbers of a tag, or None where a frame lacks them."""
    rows = []
    for frame in frames:
        try:
            numbers = [float(value) for value in nested_value(frame, tag)]
        except (TypeError, ValueError):
            return None
        if len(numbers) != count or not np.isfinite(numbers).all():
            return None
        rows.append(numbers)
    return np.array(rows)


def nested_value(dataset: Any, tag: str) -> Any:
    """Return the value of a tag, from the first item of a sequence where it is not at the top; None where it is not."""
    if tag in dataset:
        return dataset[tag].value
    for element in dataset:
        if element.VR == "SQ" and element.value and (value := nested_value(element.value[0], tag)) is not None:
            return value
    return None


def first_number(dataset: Any, names: tuple[str, ...]) -> float | None:
    """Return the number of the first of several tags that has one."""
    for name in names:
        value = nested_value(dataset, name)
        number = number_or(value[0] if _is_many(value) else value, None)
        if number is not None:
            return number
    return None


def private_b_value(dataset: Any) -> float | None:
    """Return the b-value in s/mm2 from a vendor's own tag."""
    for tag in B_VALUES:
        if tag in dataset:
            value = dataset[tag].value
            value = value.decode("ascii", errors="replace") if isinstance(value, bytes) else value
            text = str(value[0] if _is_many(value) else value).split("\\")[0]
            number = number_or(text, None)
            return None if number is None else number % 1e6  # GE adds 1e9
    return None


def number_or(value: Any, otherwise: Any) -> Any:
    """Return a value as a finite number, or another where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return otherwise
    return number if np.isfinite(number) else otherwise


def whole_number(dataset: Any, tag: str) -> int | None:
    """Return the whole number of a tag, or None where it has none."""
    number = number_or(dataset.get(tag), None)
    return None if number is None else int(number)


def texts_of(value: Any) -> list[str]:
    """Return one or several values as texts."""
    return [] if value in (None, "") else [str(part) for part in value] if _is_many(value) else [str(value)]


def _is_many(value: Any) -> bool:
    return hasattr(value, "__getitem__") and not isinstance(value, (str, bytes)) and len(value) > 0
