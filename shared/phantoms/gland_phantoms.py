"""Paint a small data set of gland images in the layout of Warwick-QU (the GlaS challenge).

The files are phantoms: painted, of no patient. `gland_phantom_shapes` says what lies where, `gland_phantom_stain` how
it looks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .gland_phantom_stain import paint_glands
from .phantom_folder import start_folder, write_picture, write_text

__all__ = ["paint_gland_phantoms"]

VERSION = 1  # raise it whenever the same parameters would give other files
PARTS = ("train", "testA", "testB")
SUFFIXES = ("bmp", "png")
IMAGES_PER_PATIENT = 3
PATIENTS_OF_TEST_B = 1000  # testB's patients are numbered from here on
GRADE_FILE = "Grade.csv"
HEADER = "name,patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)"
SMALLEST = 16  # pixels
README = """These are PHANTOMS: pictures of glands that a program painted. No tissue was cut or stained for them.

They have the files, names and annotations of real data (Warwick-QU), so that programs can be tried and tested on
them. Nothing about medicine can be learned from them, and results on them say nothing about patients.

A pixel measures {pixel_size_um} micrometres. The patients of testA are those of train as well, as in the real data;
those of testB are others.

Painted by shared/phantoms/gland_phantoms.py; the parameters are in {record}. Delete this folder whenever you like.
"""


def paint_gland_phantoms(
    output_dir: str | os.PathLike,
    num_train: int = 24,
    num_test_a: int = 8,
    num_test_b: int = 4,
    seed: int = 0,
    size: Sequence[int] = (261, 387),
    pixel_size_um: float = 1.24,
    suffix: str = "bmp",
) -> Path:
    """Paint a data set of gland phantoms, unless the folder holds exactly this one already.

    Benign and malignant images alternate, three in a row are one patient's, whose stain they share. An image is the
    same, byte for byte, in every data set of the same seed, size and pixel size. A folder that holds anything else, be
    it phantoms painted with other parameters, is refused.

    Args:
        output_dir: folder of the data set; made if missing.
        num_train: number of images in part train, `train_1.bmp` and on, with `train_1_anno.bmp`.
        num_test_a: number of images in part testA, of the patients of part train.
        num_test_b: number of images in part testB, of other patients.
        seed: number of the data set, 0 or more.
        size: rows and columns; every fourth image, about, is smaller by up to a quarter.
        pixel_size_um: edge of a pixel; published are 0.62 um at a size of (522, 775).
        suffix: "bmp" as published, or "png".

    Returns:
        `output_dir`.
    """
    _check(num_train, num_test_a, num_test_b, seed, size, pixel_size_um, suffix)
    numbers = dict(zip(PARTS, (num_train, num_test_a, num_test_b), strict=True))
    parameters = {
        "version": VERSION,
        **{f"num_{part}": number for part, number in numbers.items()},
        "seed": seed,
        "size": [int(length) for length in size],
        "pixel_size_um": float(pixel_size_um),
        "suffix": suffix,
    }
    folder = Path(output_dir)
    cases = [_case(part, number, num_train) for part in PARTS for number in range(1, numbers[part] + 1)]
    files = [f"{case['name']}{ending}.{suffix}" for case in cases for ending in ("", "_anno")]
    readme = README.replace("{pixel_size_um}", str(pixel_size_um))
    if not start_folder(folder, parameters, [*files, GRADE_FILE], readme):
        return folder
    write_text(folder / GRADE_FILE, _grade_table(cases))
    for case in cases:
        picture, glands, _ = paint_glands(
            (seed, *case["number"]),
            size=_size_of(case, seed, size),
            pixel_size_um=pixel_size_um,
            malignant=case["grade"] == "malignant",
            stain=(seed, len(PARTS), case["patient"]),
        )
        write_picture(folder / f"{case['name']}.{suffix}", picture)
        write_picture(folder / f"{case['name']}_anno.{suffix}", glands.astype(np.uint8))
    return folder


def _check(
    num_train: int, num_test_a: int, num_test_b: int, seed: int, size: Sequence[int], pixel_size_um: float, suffix: str
) -> None:
    whole = all(isinstance(number, int) for number in (num_train, num_test_a, num_test_b, seed))
    if not whole or num_train < 1 or min(num_test_a, num_test_b, seed) < 0:
        raise InputError(
            f"num_train, num_test_a, num_test_b and seed: whole numbers of at least 1, 0, 0 and 0, not {num_train}, "
            f"{num_test_a}, {num_test_b} and {seed}."
        )
    if not isinstance(size, Sequence) or len(size) != 2 or min(size) < SMALLEST:
        raise InputError(f"size: give rows and columns, at least {SMALLEST} pixels each, not {size}.")
    if not isinstance(pixel_size_um, (int, float)) or not 0.1 <= pixel_size_um <= 5:
        raise InputError(f"pixel_size_um: glands can be painted at 0.1 to 5 micrometres, not {pixel_size_um}.")
    if suffix not in SUFFIXES:
        raise InputError(f"suffix {suffix!r} is unknown; choose {' or '.join(SUFFIXES)}.")


def _case(part: str, number: int, num_train: int) -> dict[str, Any]:
    """Say whose image it is, and how malignant."""
    patient = 1 + (number - 1) // IMAGES_PER_PATIENT
    if part == "testA":
        patient = 1 + (patient - 1) % (1 + (num_train - 1) // IMAGES_PER_PATIENT)
    elif part == "testB":
        patient += PATIENTS_OF_TEST_B
    return {
        "name": f"{part}_{number}",
        "number": (PARTS.index(part), number),
        "patient": patient,
        "grade": ("benign", "malignant")[(number + 1) % 2],
    }


def _size_of(case: Mapping[str, Any], seed: int, size: Sequence[int]) -> list[int]:
    generator = np.random.default_rng((seed, *case["number"], 1))
    shrinks = generator.uniform(0.75, 1, 2) if generator.random() < 0.25 else (1.0, 1.0)
    return [max(SMALLEST, round(length * share)) for length, share in zip(size, shrinks, strict=True)]


def _grade_table(cases: Sequence[Mapping[str, Any]]) -> str:
    """Lay out the table as published: sorted as text, blanks before the grades, carriage returns between the lines."""
    differentiation = {"benign": "healthy", "malignant": "moderately differentiated"}
    lines = [
        f"{case['name']},{case['patient']}, {case['grade']}, {differentiation[case['grade']]}"
        for case in sorted(cases, key=lambda case: case["name"])
    ]
    return "\r".join((HEADER, *lines))
