"""Sort the MR images of a study into stacks: the volumes that its series hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import InputError
from ..transforms.dicom_frames import Frames, check_planes, check_steps
from .headers import GEOMETRY, Header

__all__ = ["Stack", "find_stacks"]

PLANES = ("sagittal", "coronal", "axial")  # by the axis that the normal is nearest to
MOST = 0.8  # of the slices: if fewer have one plane, the series shows several (a localizer), else slices are damaged
FEW = 3  # numbers in one line


@dataclass(frozen=True)
class Stack:
    """Images of one series with one ImageType, echo and b-value.

    Attributes:
        headers: of its files, in the order of the slices where they have a position.
        part: number among the stacks of the series, or 0 where it is the only one.
        siblings: how many images each stack of the series has.
        missing: what says that images of the series are not there; "" where nothing does.
    """

    headers: tuple[Header, ...]
    part: int
    siblings: tuple[int, ...]
    missing: str = ""

    @property
    def first(self) -> Header:
        """The header that represents all."""
        return self.headers[0]

    @property
    def number(self) -> str:
        """Number of the series, with that of the stack where the series has several: "7" or "7.2"."""
        return f"{self.first.number or '?'}" + (f".{self.part}" if self.part else "")

    def __str__(self) -> str:
        return f"series {self.number} ({self.first.description or 'no description'})"

    @cached_property
    def num_slices(self) -> int:
        """Number of images, frames of one file included."""
        return sum(len(header.geometry.get("ImagePositionPatient", [0])) for header in self.headers)

    @cached_property
    def planes(self) -> Counter[str]:
        """Number of images per plane, to the nearest axis of the patient."""
        found: Counter[str] = Counter()
        for header in self.headers:
            for numbers in header.geometry.get("ImageOrientationPatient", ()):
                found[PLANES[int(np.abs(np.cross(numbers[:3], numbers[3:])).argmax())]] += 1
        return found

    @property
    def plane(self) -> str:
        """The plane of the stack; "several" for a localizer, "unknown" without orientation."""
        if not self.planes:
            return "unknown"
        plane, count = self.planes.most_common(1)[0]
        return plane if count >= MOST * sum(self.planes.values()) else "several"

    @cached_property
    def frames(self) -> Frames:
        """Places of all frames.

        Raises:
            InputError: a file lacks a tag.
        """
        rows: dict[str, list[np.ndarray]] = {tag: [] for tag in GEOMETRY}
        names: list[str] = []
        for header in self.headers:
            for tag, count in GEOMETRY.items():
                if tag not in header.geometry:
                    raise InputError(
                        f"{self}: {header.name} has no {tag} of {count} numbers, so the position of the slice is "
                        "unknown; export the series again with this tag."
                    )
                rows[tag].append(header.geometry[tag])
            names += [header.name] * len(header.geometry["ImagePositionPatient"])
        return Frames(np.array(names), *(np.concatenate(rows[tag]) for tag in GEOMETRY))

    def check(self) -> None:
        """Refuse a stack that is no even, upright volume of MR.

        Raises:
            InputError: names the series and what is wrong.
        """
        if not self.first.is_mr:
            raise InputError(f"{self}: is no MR image but {self.first.kind or 'unknown'}; choose another series.")
        if len(set(self.siblings)) > 1:
            counts = ", ".join(map(str, self.siblings))
            raise InputError(
                f"{self}: its series holds stacks of {counts} images, which differ in ImageType, echo or b-value; "
                "slices are missing or from elsewhere, export the series again."
            )
        if len({header.frame_of_reference for header in self.headers}) > 1:
            raise InputError(f"{self}: its slices have two frames of reference; export the series again.")
        sizes = {header.size for header in self.headers}
        if len(sizes) > 1:
            shown = " and ".join(f"{columns} x {rows}" for columns, rows in sorted(sizes))
            raise InputError(f"{self}: slices have {shown} pixels; export the series again.")
        if not all(np.isfinite(list(header.rescaling)).all() for header in self.headers):
            raise InputError(f"{self}: RescaleSlope or RescaleIntercept is no number; export the series again.")
        if any(len(header.rescaling) > 1 for header in self.headers):
            raise InputError(f"{self}: frames have different rescale slopes; export one file per slice.")
        if any(slope == 0 for header in self.headers for slope, _ in header.rescaling):
            raise InputError(f"{self}: has a RescaleSlope of 0, which makes all pixels equal; export the series again.")
        check_planes(str(self), self.frames)
        if len(self.frames.positions) > 1:
            check_steps(str(self), self.frames)


def find_stacks(headers: Sequence[Header]) -> list[Stack]:
    """Sort images into stacks, by number of the series."""
    series: dict[str, dict[tuple, list[Header]]] = defaultdict(lambda: defaultdict(list))
    for header in headers:
        if header.has_pixels:
            multi_frame = header.instance if len(header.geometry.get("ImagePositionPatient", [0])) > 1 else ""
            echo = round(header.parameters.get("echo_time_ms", -1))
            key = (
                header.kind,
                header.is_mr,
                header.image_type,
                echo,
                header.parameters.get("b_value", -1),
                multi_frame,
                header.in_colour,
            )
            series[header.series][key].append(header)
    stacks = []
    for parts in series.values():
        siblings = tuple(len(images) for images in parts.values())
        missing = _missing([header for images in parts.values() for header in images])
        for part, images in enumerate(parts.values(), start=len(parts) > 1):
            stacks.append(Stack(tuple(sorted(images, key=_height)), part, siblings, missing))
    return sorted(stacks, key=lambda stack: (len(stack.number), stack.number, stack.first.series))


def _missing(headers: Sequence[Header]) -> str:
    """Say what the images of a series say about others that are not there: a slice at the end leaves no gap."""
    numbers = [header.instance_number for header in headers]
    if all(number is not None and number > 0 for number in numbers) and len(set(numbers)) == len(numbers):
        absent = sorted(set(range(1, max(numbers))) - set(numbers))
        if absent:
            shown = ", ".join(map(str, absent[:FEW])) + ", ..." * (len(absent) > FEW)
            return f"{len(absent)} instance numbers below {max(numbers)} are not there ({shown})"
    expected = max((header.in_acquisition or 0 for header in headers), default=0)
    count = sum(len(header.geometry.get("ImagePositionPatient", [0])) for header in headers)
    if count < expected:
        return f"{count} images are there, the acquisition has {expected}"
    return ""


def _height(header: Header) -> tuple[float, str]:
    """Return how far the first frame of a file is along the normal of its plane."""
    if not {"ImageOrientationPatient", "ImagePositionPatient"} <= header.geometry.keys():
        return 0.0, header.name
    axes, place = header.geometry["ImageOrientationPatient"][0], header.geometry["ImagePositionPatient"][0]
    return float(np.cross(axes[:3], axes[3:]) @ place), header.name
