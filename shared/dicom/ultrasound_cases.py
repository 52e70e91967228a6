"""List the pictures of a DICOM study of ultrasound: every frame is a case."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..data import find_breast_cases
from ..errors import InputError
from .headers import Header, read_headers
from .one_study import check_one_study, name_of_study
from .without_words import without_words

__all__ = ["find_pictures_or_study", "ultrasound_cases"]

IN_2D, CENTIMETRES = 1, 3  # RegionSpatialFormat, PhysicalUnits (PS3.3, C.8.5.5)
VOLUME = "1.2.840.10008.5.1.4.1.1.6.2"  # enhanced ultrasound volume


def find_pictures_or_study(
    dataset_dir: str | os.PathLike,
    class_names: Sequence[str],
    cases_file: str | os.PathLike | None,
    dicom_dir: str | os.PathLike | None,
) -> list[dict[str, Any]]:
    """List pictures (`find_breast_cases`), or the frames of a DICOM study (`ultrasound_cases`) where that is given.

    Raises:
        InputError: both are given.
    """
    if dicom_dir is None:
        return find_breast_cases(dataset_dir, class_names, cases_file)
    if os.fspath(dataset_dir) or cases_file is not None:
        raise InputError("--dicom_dir and --dataset_dir or --cases_file are both given; give one of them.")
    return ultrasound_cases(dicom_dir)


def ultrasound_cases(dicom_dir: str | os.PathLike) -> list[dict[str, Any]]:
    """Read the headers of a study and list every frame of its ultrasound images.

    Other files may be among them. Volumes, and images that the file says to be M-mode or a spectrum alone, are left
    out with a warning.

    Args:
        dicom_dir: folder of the study.

    Returns:
        Cases in the order of series, images and frames: "case" (a hash of the study's UID, the number of the image in
        the study, and that of the frame where there are several), "image", "frame" and "dicom", a JSON text for the
        record: what the file says about burned-in text, regions and the size of pixels. None of it holds data of the
        patient.

    Raises:
        InputError: no ultrasound; several patients or studies.
    """
    folder = Path(dicom_dir).expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of a DICOM study with --dicom_dir.")
    headers, others = read_headers(folder)
    check_one_study(headers, others)
    images = sorted((header for header in headers if header.kind == "US" and header.has_pixels), key=_order)
    if not images:
        kinds = ", ".join(sorted({header.kind or "unknown" for header in headers}))
        raise InputError(f"dicom_dir: holds no ultrasound images, only {kinds}; give a study of ultrasound (US).")
    study = name_of_study(headers[0].study)
    cases = [case for number, header in enumerate(images, start=1) for case in _frames(header, f"{study}_{number:03}")]
    if not cases:
        raise InputError(f"dicom_dir: none of its {len(images)} ultrasound images is a 2D picture; give another study.")
    open_to_view = {case["image"] for case in cases if _may_show_names(json.loads(case["dicom"]))}
    if open_to_view:
        logging.getLogger(__name__).warning(
            "%d of %d images may show the patient's name (BurnedInAnnotation is not NO, and no region is declared): "
            "look before you share their overlays.",
            len(open_to_view),
            len(images),
        )
    return cases


def _order(header: Header) -> tuple[float, float, str]:
    number = float(header.number) if header.number.isdigit() else float("inf")
    return number, float("inf") if header.instance_number is None else header.instance_number, header.name


def _frames(header: Header, name: str) -> Iterator[dict[str, Any]]:
    """Give a case for every frame of one file; none, and a warning, where it holds no 2D picture."""
    import pydicom

    with without_words():
        dataset = pydicom.dcmread(header.path, stop_before_pixels=True)
    declared = list(dataset.get("SequenceOfUltrasoundRegions") or [])
    regions = [region for item in declared if (region := _region(item, header.size)) is not None]
    reason = "is a volume" if str(dataset.SOPClassUID) == VOLUME else ""
    reason = reason or ("shows no 2D region, but M-mode or a spectrum" if declared and not regions else "")
    if reason:
        logging.getLogger(__name__).warning("%s: %s and is left out.", header.name, reason)
        return
    count = int(dataset.get("NumberOfFrames") or 1)
    spacing = header.geometry.get("PixelSpacing")
    note = {
        "series": header.number,
        "instance": header.instance_number,
        "frames": count,
        "photometric": str(dataset.get("PhotometricInterpretation", "")),
        "burned_in_annotation": str(dataset.get("BurnedInAnnotation") or "not said"),
        "regions": regions,
        "mm_per_pixel": None if spacing is None else [float(spacing[0, 1]), float(spacing[0, 0])],
    }
    for frame in range(count):
        case = f"{name}_frame_{frame + 1:03}" if count > 1 else name
        text = json.dumps({**note, "frame": frame + 1})
        yield {"case": case, "image": str(header.path), "frame": frame, "dicom": text}


def _region(item: Any, size: tuple[int, int]) -> dict[str, Any] | None:
    """Return place and scale of a 2D region; None where it is none, or outside of the image."""
    try:
        left, top = int(item.RegionLocationMinX0), int(item.RegionLocationMinY0)
        right, bottom = (
            min(int(last), length - 1)
            for last, length in zip((item.RegionLocationMaxX1, item.RegionLocationMaxY1), size, strict=True)
        )
        if int(item.RegionSpatialFormat) != IN_2D or not (0 <= left <= right and 0 <= top <= bottom):
            return None
    except (AttributeError, TypeError, ValueError):
        return None
    units = (item.get("PhysicalUnitsXDirection"), item.get("PhysicalUnitsYDirection"))
    steps = [abs(float(item.get(f"PhysicalDelta{axis}") or 0)) for axis in "XY"]
    known = units == (CENTIMETRES, CENTIMETRES) and min(steps) > 0
    edges = [round(10 * step, 9) for step in steps] if known else None
    return {"rows": [top, bottom], "columns": [left, right], "mm_per_pixel": edges}


def _may_show_names(note: dict[str, Any]) -> bool:
    return note["burned_in_annotation"].upper() != "NO" and not note["regions"]
