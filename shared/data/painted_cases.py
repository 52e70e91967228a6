"""Painted cases next to real ones: who they are, and the parts of a split that they fill."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ..errors import InputError
from .mri_cases import find_mri_cases
from .splits import PARTS, split_cases

__all__ = ["Painter", "find_mri_cases_if_given", "painted_case", "split_with_painted"]

Painter = Callable[[Sequence[int]], Mapping[str, Any]]
FIXED = 2**31  # from here on: first of the two numbers of validation and test cases; training cases have three


def find_mri_cases_if_given(dataset_dir: str | os.PathLike, **options: Any) -> list[dict[str, Any]]:
    """Return `find_mri_cases`, or no case where no folder is given."""
    return find_mri_cases(dataset_dir, **options) if os.fspath(dataset_dir) else []


def painted_case(name: str, painter: Painter, seed: Sequence[int]) -> dict[str, Any]:
    """Return the item of a case that is painted when it is loaded.

    Args:
        name: of the case, who is its own patient.
        painter: makes the tensors of a case from numbers.
        seed: these numbers.
    """
    return {"case": name, "patient": name, "painted": partial(painter, tuple(seed))}


def split_with_painted(
    cases: Sequence[Mapping[str, Any]], painter: Painter, painted_cases: Mapping[str, int], **options: Any
) -> dict[str, list[dict[str, Any]]]:
    """Split real cases, if there are any, and fill "validation" and "test" with painted cases where they stay empty.

    The painted ones are the same in every run, whatever its seed, and none of them is ever painted for training.

    Args:
        cases: real cases; may be empty.
        painter: paints a case.
        painted_cases: how many in "validation" and in "test".
        options: of `split_cases`, for the real cases.
    """
    if unknown := set(painted_cases) - set(PARTS[1:]):
        raise InputError(f"painted_cases: the parts are {' and '.join(PARTS[1:])}, not {sorted(unknown)[0]!r}.")
    parts = split_cases(cases, **options) if cases else {part: [] for part in PARTS}
    for number, (part, count) in enumerate(sorted(painted_cases.items())):
        seeds = [(FIXED + number, index) for index in range(count)]
        parts[part] = parts[part] or [painted_case(f"Painted_{part}_{seed[1]:03d}", painter, seed) for seed in seeds]
    return parts
