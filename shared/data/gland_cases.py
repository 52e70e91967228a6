"""Find gland images in the layout of the Warwick-QU data set (the GlaS challenge)."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .gland_grades import GRADES, find_grades
from .picture_survey import with_highest_value, with_one_number

__all__ = ["TRAIN", "find_gland_cases"]

TRAIN, TESTS = "train", ("testA", "testB")
SUFFIXES = (".bmp", ".png", ".tif", ".tiff", ".jpg", ".jpeg")
INSTANCES, REGIONS = "_anno", "_regions"  # at the end of a file's name: outlined glands, derived region map


def find_gland_cases(
    dataset_dir: str | os.PathLike,
    needs_label: bool = False,
    label_dir: str | os.PathLike | None = None,
    grades_file: str | os.PathLike | None = None,
) -> list[dict[str, Any]]:
    """List the gland images in a folder, sorted by name.

    The layout is that of Warwick-QU: `train_1.bmp` (or `testA_1`, `testB_1`) with its glands in `train_1_anno.bmp`, and
    `Grade.csv` with the columns "name", "patient ID" and "grade (GlaS)". Any other names will do as well; those cases
    belong to no part. BMP, PNG, TIFF and JPEG are found, not in subfolders. A single picture is a case of its own.

    Args:
        dataset_dir: folder of the data set, any folder of pictures, or one picture.
        needs_label: refuse cases without annotation or grade.
        label_dir: folder with stored region maps, `train_1_regions.png`, as `python -m ci derive-gland-regions` writes
            them; if needs_label, every case must have one.
        grades_file: CSV with the columns of `Grade.csv`, of which "patient ID" may be missing or blank: an image
            without a patient is its own. By default `Grade.csv` in the folder, if it is there.

    Returns:
        One dictionary per case: "case", "patient", "image", and as far as known "part" ("train", "testA", "testB"),
        "instances" and "label" (paths) and "grade" (0 benign, 1 malignant). How to read the files is added where the
        whole data set is needed to tell: see `LoadPictured`.
    """
    if not os.fspath(dataset_dir):
        raise InputError("dataset_dir is not given; give the folder that holds the images with --dataset_dir.")
    root = Path(dataset_dir).expanduser()
    if root.is_file():
        return [_single_picture(root, needs_label)]
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the folder that holds the images with --dataset_dir.")
    pictures, annotations = _sort(root)
    region_maps = _stored_maps(label_dir) if label_dir else {}
    grades = find_grades(root, grades_file)
    cases = []
    for name, image in sorted(pictures.items()):
        patient, grade = grades.get(name, (None, None))
        known = {"part": _part_of(name), "image": str(image), "instances": annotations.get(name)}
        known |= {"grade": grade, "label": region_maps.get(name)}
        cases.append(
            {"case": name, "patient": patient or name}
            | {key: value for key, value in known.items() if value is not None}
        )
    if needs_label:
        _check_complete(cases, root, label_dir, grades_file)
    return with_one_number(with_highest_value(cases))


def _single_picture(path: Path, needs_label: bool) -> dict[str, Any]:
    if needs_label:
        raise InputError(f"{path}: one image has no annotation; give the folder that holds images and annotations.")
    return {"case": path.stem, "patient": path.stem, "image": str(path)}


def _sort(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return {case: path} of the pictures and of the annotations in a folder."""
    found = _pictures_by_name(root)
    annotations = _without_ending(found, INSTANCES)
    pictures = {name: path for name, path in found.items() if not name.lower().endswith((INSTANCES, REGIONS))}
    if not pictures:
        raise InputError(
            f"{root}: no image found (looked for {', '.join(SUFFIXES)} in the folder itself); correct --dataset_dir."
        )
    if strays := sorted(set(annotations) - set(pictures)):
        logging.getLogger(__name__).warning(
            "%d annotations have no image and are left out, the first is %s.", len(strays), annotations[strays[0]]
        )
    return pictures, annotations


def _pictures_by_name(folder: Path) -> dict[str, str]:
    """Return {name without suffix: path} of the images in a folder, broken links too, hidden files not."""
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES or path.is_dir():
            continue
        if path.stem in found:
            raise InputError(f"{path}: there is also {Path(found[path.stem]).name}; remove one of the two.")
        found[path.stem] = str(path)
    return found


def _stored_maps(label_dir: str | os.PathLike) -> dict[str, str]:
    folder = Path(label_dir).expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder with the region maps, or leave label_dir out.")
    return _without_ending(_pictures_by_name(folder), REGIONS)


def _without_ending(found: Mapping[str, str], ending: str) -> dict[str, str]:
    return {name[: -len(ending)]: path for name, path in found.items() if name.lower().endswith(ending)}


def _part_of(name: str) -> str | None:
    match = re.fullmatch(rf"({'|'.join((TRAIN, *TESTS))})_\d+", name)
    return match[1] if match else None


def _check_complete(
    cases: Sequence[Mapping[str, Any]],
    root: Path,
    label_dir: str | os.PathLike | None,
    grades_file: str | os.PathLike | None,
) -> None:
    """Refuse cases that lack what training and evaluation need, and name the first."""
    needed = {
        "instances": f"no annotation ({{case}}{INSTANCES}); add it, or move the image elsewhere",
        "grade": f"no grade in {grades_file or 'Grade.csv'}; add {' or '.join(GRADES)} there, or move it elsewhere",
    }
    if label_dir:
        needed["label"] = (
            f"no region map ({{case}}{REGIONS}) in {label_dir}; run `python -m ci derive-gland-regions` again"
        )
    for key, text in needed.items():
        lacking = [case for case in cases if key not in case]
        if lacking:
            first = lacking[0]
            raise InputError(
                f"{first['image']}: has {text.replace('{case}', first['case'])} "
                f"({len(lacking)} of the {len(cases)} images in {root} lack it)."
            )
