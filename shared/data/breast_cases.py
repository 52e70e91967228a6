"""Find breast ultrasound images in the layout of BUSI, or as a table lists them."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .breast_table import NORMAL, cases_of_table
from .picture_survey import with_highest_value

__all__ = ["find_breast_cases"]

SUFFIXES = (".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff")
MASK = re.compile(r"(?P<picture>.+)_mask(_\d+)?", re.IGNORECASE)  # the name of a mask, without suffix


def find_breast_cases(
    dataset_dir: str | os.PathLike,
    class_names: Sequence[str],
    cases_file: str | os.PathLike | None = None,
    needs_label: bool = False,
) -> list[dict[str, Any]]:
    """List breast ultrasound images, sorted by name.

    The layout is that of BUSI: one folder per class, in it `benign (1).png` with its lesion in `benign (1)_mask.png`,
    further lesions in `benign (1)_mask_1.png` and so on. A folder of pictures alone will do (masks beside them are
    found, classes are unknown), and so will one picture. Any other layout is listed in a table.

    Args:
        dataset_dir: folder of the data set, any folder of pictures, or one picture.
        class_names: folders, or words in the table, in small or large letters; the number of a class is its place here.
            "normal" is the class without a lesion. Other folders are passed over.
        cases_file: CSV with the columns "image", and where known "mask" (several masks of one image separated by ";",
            blank for none of a normal image), "class", "case" (a name; that of the image if blank) and "group" (a word
            that near-duplicates share). Others are passed over. Paths start at `dataset_dir`.
        needs_label: refuse images without mask or class, and class folders that are missing or without an image.

    Returns:
        One dictionary per case: "case", "image", and as far as known "mask" (list of paths, empty where there is no
        lesion), "class" (number) and "group".
    """
    if not os.fspath(dataset_dir):
        raise InputError("dataset_dir is not given; give the folder that holds the images with --dataset_dir.")
    root = Path(dataset_dir).expanduser()
    if root.is_file() and cases_file is None:
        cases = [{"case": root.stem, "image": str(root)}]
    elif not root.is_dir():
        raise InputError(f"{root}: no such folder; give the folder that holds the images with --dataset_dir.")
    elif cases_file is not None:
        cases = cases_of_table(Path(cases_file).expanduser(), root, class_names)
    else:
        cases = _cases_of_folders(root, class_names, needs_label)
    _check_names(cases)
    if needs_label:
        _check_complete(cases, root)
    return with_highest_value(sorted(cases, key=lambda case: case["case"]))


def _cases_of_folders(root: Path, class_names: Sequence[str], needs_all: bool) -> list[dict[str, Any]]:
    folders = _class_folders(root, class_names)
    if not folders:
        cases = _cases_of_folder(root, None, class_names)
    else:
        cases = [case for name, folder in folders.items() for case in _cases_of_folder(folder, name, class_names)]
        found = {case["class"] for case in cases}
        if absent := [name for number, name in enumerate(class_names) if number not in found]:
            _report_absent(absent, folders, root, class_names, needs_all)
    if not cases:
        raise InputError(_nothing_found(root, class_names))
    return cases


def _class_folders(root: Path, class_names: Sequence[str]) -> dict[str, Path]:
    """Return {class: its folder}, whatever the case of the folder's letters."""
    folders: dict[str, Path] = {}
    known = {name.casefold(): name for name in class_names}
    for path in sorted(root.iterdir()):
        name = known.get(path.name.strip().casefold())
        if name is None or not path.is_dir():
            continue
        if name in folders:
            raise InputError(f"{folders[name]} and {path}: both are folders of class {name}; put the images into one.")
        folders[name] = path
    return folders


def _other_folders(root: Path, class_names: Sequence[str]) -> list[str]:
    own = _class_folders(root, class_names).values()
    return sorted(
        path.name for path in root.iterdir() if path.is_dir() and path not in own and not path.name.startswith(".")
    )


def _report_absent(
    absent: Sequence[str], folders: Mapping[str, Path], root: Path, class_names: Sequence[str], needs_all: bool
) -> None:
    """Warn of classes without an image, or refuse them where a training would go without."""
    empty = [str(folders[name]) for name in absent if name in folders]
    others = _other_folders(root, class_names)
    seen = f"{', '.join(empty)} without images" if empty else ""
    seen += f"{', and ' if empty else ''}other folders: {', '.join(others[:5])}" if others else ""
    text = f"{root}: holds no image of class {', '.join(absent)}{f' ({seen})' if seen else ''}"
    if needs_all:
        raise InputError(
            f"{text}; name one folder per class as in class_names ({', '.join(class_names)}), change class_names, or "
            "list the images in a table with --cases_file."
        )
    logging.getLogger(__name__).warning("%s.", text)


def _nothing_found(root: Path, class_names: Sequence[str]) -> str:
    known = {name.casefold() for name in class_names}
    inner = Counter(path.parent for path in sorted(root.glob("*/*")) if path.name.casefold() in known).most_common(1)
    others = _other_folders(root, class_names)
    hint = f"give {inner[0][0]}" if inner else "correct --dataset_dir"
    if others and not inner:
        hint = (
            f"the classes are {', '.join(class_names)}, its folders {', '.join(others[:5])}: rename the folders, or "
            "give their names as class_names"
        )
    return f"{root}: no image found (looked for {', '.join(SUFFIXES)}); {hint}."


def _cases_of_folder(folder: Path, class_name: str | None, class_names: Sequence[str]) -> list[dict[str, Any]]:
    pictures, masks = _sort(folder)
    cases = []
    for name, image in pictures.items():
        starts_so = class_name is None or name.casefold().startswith(class_name.casefold())
        case: dict[str, Any] = {"case": name if starts_so else f"{class_name}_{name}", "image": image}
        if name in masks or (class_name or "").casefold() == NORMAL:
            case["mask"] = masks.get(name, [])
        if class_name is not None:
            case["class"] = list(class_names).index(class_name)
        cases.append(case)
    return cases


def _check_names(cases: Sequence[Mapping[str, Any]]) -> None:
    """Refuse two images of one name: the results of one would overwrite those of the other."""
    first: dict[str, Mapping[str, Any]] = {}
    for case in cases:
        other = first.setdefault(case["case"], case)
        if other is not case:
            raise InputError(
                f"{other['image']} and {case['image']}: both would be case {case['case']}; rename one of the two."
            )


def _sort(folder: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return {name: picture} and {name: masks} of a folder; hidden files are passed over, broken links are not."""
    pictures: dict[str, str] = {}
    masks: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES or path.is_dir():
            continue
        if match := MASK.fullmatch(path.stem):
            masks.setdefault(match["picture"], []).append(str(path))
        elif path.stem in pictures:
            raise InputError(f"{path}: there is also {Path(pictures[path.stem]).name}; remove one of the two.")
        else:
            pictures[path.stem] = str(path)
    if strays := sorted(set(masks) - set(pictures)):
        logging.getLogger(__name__).warning(
            "%d masks have no image and are left out, the first is %s.", len(strays), masks[strays[0]][0]
        )
    return pictures, masks


def _check_complete(cases: Sequence[Mapping[str, Any]], root: Path) -> None:
    """Refuse cases that lack what training and evaluation need, and name the first."""
    needed = {
        "class": "class (a folder of that name, or the table's column)",
        "mask": "mask (<image>_mask.png in the same folder)",
    }
    for key, text in needed.items():
        lacking = [case for case in cases if key not in case]
        if lacking:
            raise InputError(
                f"{lacking[0]['image']}: has no {text}; add it, or move the image elsewhere "
                f"({len(lacking)} of the {len(cases)} images of {root} lack it)."
            )
