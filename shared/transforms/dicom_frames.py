"""Where the frames of a DICOM series are, and whether they are an even, upright stack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError

__all__ = ["PLACE_MM", "Frames", "check_planes", "check_steps"]

PLACE_MM = 0.1  # a slice may be this far from the place that an even, upright stack gives it
AXES = 1e-3  # and its axes this much turned (radians)


class Frames(NamedTuple):
    """Where files say that their frames are, in DICOM's own axes; one row per frame."""

    files: np.ndarray
    orientations: np.ndarray
    positions: np.ndarray
    spacings: np.ndarray


def check_planes(source: str, frames: Frames) -> None:
    """Refuse slices with other axes or pixels than the first."""
    first = frames.orientations[0].reshape(2, 3)
    if np.abs(first @ first.T - np.eye(2)).max() > AXES:
        raise InputError(
            f"{frames.files[0]}: ImageOrientationPatient {_list(first.ravel())} is not two unit vectors at a right "
            "angle; export the series again."
        )
    turned = np.abs(frames.orientations - first.ravel()).max()
    if turned > AXES:
        raise InputError(
            f"{source}: slices are turned against each other (by about {np.degrees(turned):.2g} degrees); "
            "give each direction a folder of its own."
        )
    smallest, largest = frames.spacings.min(axis=0), frames.spacings.max(axis=0)
    if smallest.min() <= 0 or (largest - smallest).max() > AXES:
        raise InputError(
            f"{source}: PixelSpacing is {_list(smallest)} to {_list(largest)} mm, but one value above 0 for all slices "
            "is expected; export the series again."
        )


def check_steps(source: str, frames: Frames) -> None:
    """Refuse slices that are missing, doubled, or not above each other."""
    normal = np.cross(frames.orientations[0, :3], frames.orientations[0, 3:])
    offsets = frames.positions - frames.positions[0]
    heights = offsets @ normal
    sideways = np.linalg.norm(offsets - np.outer(heights, normal), axis=1).max()
    if sideways > PLACE_MM:
        raise InputError(
            f"{source}: the slices step sideways, {sideways:.3g} mm in all (tilted gantry); "
            "resample the series to an upright stack, or convert it to NIfTI, whose header keeps the tilt."
        )
    order = np.argsort(heights)
    heights = heights[order]
    steps = np.diff(heights)
    if steps.min() < PLACE_MM:
        twice = int(steps.argmin())
        pair = " and ".join(dict.fromkeys(Path(frames.files[place]).name for place in order[twice : twice + 2]))
        raise InputError(
            f"{source}: two slices are {steps.min():.3g} mm apart ({pair}); keep one image per position, "
            "and each time point or echo in a folder of its own."
        )
    if np.abs(heights - np.linspace(heights[0], heights[-1], len(heights))).max() > PLACE_MM:
        raise InputError(
            f"{source}: slices are missing or unevenly spaced (steps of {steps.min():.4g} to {steps.max():.4g} mm); "
            "export the whole series again."
        )


def _list(numbers: Sequence[float]) -> str:
    return "(" + ", ".join(f"{number:.4g}" for number in numbers) + ")"
