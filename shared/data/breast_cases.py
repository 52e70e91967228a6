"""Find and split breast ultrasound images in the layout of BUSI, or as a table lists them."""

from __future__ import annotations

import csv
import io
import logging
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .near_duplicates import group_near_duplicates
from .picture_survey import with_highest_value
from .splits import PARTS, count_cases_sharing, split_cases

__all__ = ["find_breast_cases", "split_breast_cases"]

NORMAL = "normal"  # the class without a lesion
SUFFIXES = (".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff")
MASK = re.compile(r"(?P<picture>.+)_mask(_\d+)?", re.IGNORECASE)  # the name of a mask, without suffix
SUMMARIES = ("mean", "standard deviation", "pooled")  # rows of an evaluation beside those of the cases
COLUMNS = ("image", "mask", "class", "case", "group")


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
        cases = _cases_of_table(Path(cases_file).expanduser(), root, class_names)
    else:
        cases = _cases_of_folders(root, class_names, needs_label)
    _check_names(cases)
    if needs_label:
        _check_complete(cases, root)
    return with_highest_value(sorted(cases, key=lambda case: case["case"]))


def split_breast_cases(
    cases: Sequence[Mapping[str, Any]],
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    seed: int = 42,
    similarity: float = 0.5,
    duplicates_together: bool = True,
    files: Mapping[str, str | os.PathLike | None] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Split cases into "train", "validation" and "test", each sorted by name, with the classes in equal shares.

    Near-duplicates, of which BUSI has many, go to one part. How many there are is logged.

    Args:
        cases: as `find_breast_cases` lists them. Those without "group" get one here: the name of a case that they are
            a near-duplicate of.
        fractions: shares of the images in the three parts, summing to one.
        seed: chooses the split, with the names of cases and groups.
        similarity: at which two pictures are near-duplicates, see `picture_similarity`.
        duplicates_together: False splits file by file, as in Al Shafi et al., 2026 (546, 117 and 117 of the 780
            images): then a tested image may have a near-duplicate in another part, which is counted and logged.
        files: take the split from text files instead, see `split_cases`.

    Raises:
        InputError: fractions out of range, too few cases, or two cases of one name.
    """
    cases = _with_groups(cases, similarity)
    if files is not None:
        split = split_cases(cases, files=files)
    else:
        drawn = _draw(cases, fractions, seed, duplicates_together)
        split = {part: [case for case in cases if drawn[case["case"]] == part] for part in PARTS}
    if shared := count_cases_sharing(split["test"], [*split["train"], *split["validation"]], "group"):
        logging.getLogger(__name__).warning(
            "%d of %d tested images have a near-duplicate in another part: results on them are too good.",
            shared,
            len(split["test"]),
        )
    return split


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


def _cases_of_table(table: Path, root: Path, class_names: Sequence[str]) -> list[dict[str, Any]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{table}: cannot be read ({error}); give a CSV in UTF-8 with --cases_file.") from error
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]
    header = [cell.lower() for cell in rows[0]] if rows else []
    if "image" not in header or any(header.count(name) > 1 for name in COLUMNS):
        raise InputError(
            f'{table}: must have a column "image" and may have {", ".join(COLUMNS[1:])}, each once, with commas '
            f"between them; its first line reads {','.join(header)[:80]!r}."
        )
    cases: dict[str, dict[str, Any]] = {}
    for line, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        if len(row) != len(header):
            raise InputError(f"{table}: line {line} has {len(row)} cells, the first line {len(header)}; correct it.")
        case = _case_of_row(dict(zip(header, row, strict=True)), f"{table}: line {line}", root, class_names)
        if other := cases.get(case["case"]):
            raise InputError(
                f"{table}: line {line} names case {case['case']} again ({other['image']} and {case['image']}); name it "
                "in a column case."
            )
        cases[case["case"]] = case
    if not cases:
        raise InputError(f"{table}: lists no image; write one per line below the first.")
    return list(cases.values())


def _case_of_row(cells: Mapping[str, str], place: str, root: Path, class_names: Sequence[str]) -> dict[str, Any]:
    """Turn a row of the table into a case; errors name `place`."""
    written = cells.get("class", "")
    name = next((name for name in ("", *class_names) if name.casefold() == written.casefold()), None)
    if name is None:
        raise InputError(f"{place}: class {written!r} is unknown; write {' or '.join(class_names)}.")
    name_of_case = cells.get("case") or Path(cells["image"]).stem
    if name_of_case != Path(name_of_case).name or name_of_case in ("", "..", *SUMMARIES):
        raise InputError(f"{place}: case {name_of_case!r} cannot name files or a row of a table; choose another name.")
    image = root / cells["image"]
    masks = [root / path.strip() for path in cells.get("mask", "").split(";") if path.strip()]
    for path in (image, *masks):
        if not path.is_file():
            raise InputError(f"{place}: {path} is no file; correct it (paths start at {root}).")
    case: dict[str, Any] = {"case": name_of_case, "image": str(image)}
    if masks or name.casefold() == NORMAL:
        case["mask"] = [str(path) for path in masks]
    if name:
        case["class"] = list(class_names).index(name)
    if cells.get("group"):
        case["group"] = cells["group"]
    return case


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


def _with_groups(cases: Sequence[Mapping[str, Any]], similarity: float) -> list[dict[str, Any]]:
    """Return the cases sorted by name, each with "group"; log how many near-duplicates were found."""
    by_name = {str(case.get("case")): dict(case) for case in cases}
    if len(by_name) < len(cases) or "None" in by_name:
        raise InputError(f'{len(cases)} cases but {len(by_name)} names: give every case a "case" of its own.')
    named = [by_name[name] for name in sorted(by_name)]
    alone = [case for case in named if "group" not in case]
    first = group_near_duplicates([case["image"] for case in alone], similarity)
    for case, place in zip(alone, first, strict=True):
        case["group"] = str(alone[place]["case"])
    several = [own for own in _members(named, "group").values() if len(own) > 1]
    logging.getLogger(__name__).info(
        "Near-duplicates: %d of %d images, in %d groups, %d of which hold images of several classes.",
        sum(map(len, several)),
        len(named),
        len(several),
        sum(len({case.get("class") for case in own}) > 1 for own in several),
    )
    return named


def _members(cases: Sequence[Mapping[str, Any]], key: str) -> dict[str, list[Mapping[str, Any]]]:
    members: dict[str, list[Mapping[str, Any]]] = {}
    for case in cases:
        members.setdefault(str(case[key]), []).append(case)
    return members


def _draw(
    cases: Sequence[Mapping[str, Any]], fractions: Sequence[float], seed: int, duplicates_together: bool
) -> dict[str, str]:
    """Return {case: part}. Large groups draw first, each a part with the chance of the places that are free in it."""
    if len(fractions) != len(PARTS) or min(fractions) < 0 or abs(sum(fractions) - 1) > 0.01:
        raise InputError(f"fractions {list(fractions)}: give three shares ({', '.join(PARTS)}) that sum to one.")
    classes = sorted({case.get("class", -1) for case in cases})
    members = _members(cases, "group" if duplicates_together else "case")
    numbers = {
        group: np.array([sum(case.get("class", -1) == number for case in own) for number in classes])
        for group, own in members.items()
    }
    free = _places(sum(numbers.values(), np.zeros(len(classes), int)), fractions)
    generator = np.random.default_rng(seed)
    shuffled = [str(group) for group in generator.permutation(sorted(members))]
    drawn: dict[str, str] = {}
    for group in sorted(shuffled, key=lambda group: -len(members[group])):
        number = numbers[group]
        chances = free.clip(0)[:, number > 0].sum(axis=1) * (free >= number).all(axis=1)
        if not chances.any():  # no part has places for all: the one that lacks least
            chances = (np.arange(len(PARTS)) == (free - number).sum(axis=1).argmax()).astype(int)
        part = generator.choice(len(PARTS), p=chances / chances.sum())
        free[part] -= number
        drawn |= {str(case["case"]): PARTS[part] for case in members[group]}
    if empty := [part for part, share in zip(PARTS, fractions, strict=True) if share and part not in drawn.values()]:
        raise InputError(
            f"fractions {list(fractions)}: no image is left for {empty[0]}, as {len(cases)} images form {len(members)} "
            "groups; give more images, or that part the fraction 0."
        )
    return drawn


def _places(counts: np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """Cut the images of every class into whole numbers per part (parts, classes) that are also right in total."""
    wanted = np.outer(np.asarray(fractions) / sum(fractions), counts).round(9)
    places = np.zeros(wanted.shape, int)
    for number, count in enumerate(counts):
        for _ in range(count):
            missing = wanted - places
            places[max(range(len(PARTS)), key=lambda part: (missing[part, number], missing[part].sum())), number] += 1
    return places
