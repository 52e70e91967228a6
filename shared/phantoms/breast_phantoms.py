"""Paint a small data set of breast ultrasound images in the layout of BUSI.

The files are phantoms: painted, of no patient. `breast_phantom_lesion` says how lesions are bounded,
`breast_phantom_tissue` how it all looks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .breast_phantom_tissue import KINDS, paint_breast
from .phantom_folder import start_folder, write_picture

__all__ = ["paint_breast_phantoms"]

VERSION = 1  # raise it whenever the same parameters would give other files
VIEWS_EVERY = 8  # image 8, 16 and so on of a class is a near-duplicate of the one before it
TWO_LESIONS = 3  # the place, among every 12 images with a lesion, of the one that has two
SMALLEST = 64  # pixels
README = """These are PHANTOMS: pictures that a program painted in the manner of breast ultrasound. Nobody was examined.

They have the folders, names and masks of real data (BUSI), so that programs can be tried and tested on them. Nothing
about medicine can be learned from them, and results on them say nothing about patients.

Some pictures show the same painted scene twice, as real data do: {names}.

Painted by shared/phantoms/breast_phantoms.py; the parameters are in {record}. Delete this folder whenever you like.
"""


def paint_breast_phantoms(
    output_dir: str | os.PathLike,
    num_normal: int = 8,
    num_benign: int = 16,
    num_malignant: int = 12,
    seed: int = 0,
    size: Sequence[int] = (192, 256),
) -> Path:
    """Paint a data set of breast phantoms, unless the folder holds exactly this one already.

    Every eighth image of a class is a near-duplicate of the one before it: the same tissue with other speckle, another
    cut and other callipers. One lesion image of twelve has two masks; normal images have an empty one. An image is the
    same, byte for byte, in every data set of the same seed and size. A folder that holds anything else, be it phantoms
    painted with other parameters, is refused.

    Args:
        output_dir: folder of the data set; made if missing.
        num_normal: number of images without a lesion, `normal/normal (1).png` and on.
        num_benign: number of images with benign lesions.
        num_malignant: number of images with malignant lesions.
        seed: number of the data set, 0 or more.
        size: rows and columns; every fourth image, about, is smaller by up to a fifth.

    Returns:
        `output_dir`.
    """
    _check(num_normal, num_benign, num_malignant, seed, size)
    numbers = dict(zip(KINDS, (num_normal, num_benign, num_malignant), strict=True))
    parameters = {
        "version": VERSION,
        **{f"num_{kind}": number for kind, number in numbers.items()},
        "seed": seed,
        "size": [int(length) for length in size],
    }
    folder = Path(output_dir)
    cases = [_case(kind, number) for kind in KINDS for number in range(1, numbers[kind] + 1)]
    twins = ", ".join(f"{case['kind']} ({case['scene']}) and ({case['number']})" for case in cases if case["view"])
    readme = README.replace("{names}", twins or "none here")
    if not start_folder(folder, parameters, [name for case in cases for name in _files(case)], readme):
        return folder
    for case in cases:
        scene = (seed, KINDS.index(case["kind"]), case["scene"])
        picture, masks = paint_breast(
            scene, _size_of(scene, size), kind=case["kind"], num_lesions=case["num_lesions"], view=case["view"]
        )
        shown = [np.repeat(picture[..., None], 3, axis=-1), *(255 * mask.astype(np.uint8) for mask in masks)]
        shown += [] if masks else [np.zeros_like(picture)]
        for name, pixels in zip(_files(case), shown, strict=True):
            write_picture(folder / name, pixels)
    return folder


def _check(num_normal: int, num_benign: int, num_malignant: int, seed: int, size: Sequence[int]) -> None:
    numbers = (num_normal, num_benign, num_malignant, seed)
    if not all(isinstance(number, int) and number >= 0 for number in numbers) or not any(numbers[:3]):
        raise InputError(
            "num_normal, num_benign, num_malignant and seed: whole numbers of at least 0, one of the first three more, "
            f"not {', '.join(map(str, numbers))}."
        )
    if not isinstance(size, Sequence) or len(size) != 2 or min(size) < SMALLEST:
        raise InputError(f"size: give rows and columns, at least {SMALLEST} pixels each, not {size}.")


def _case(kind: str, number: int) -> dict[str, Any]:
    """Say which scene an image shows, in which view, and how many lesions it has if any."""
    view = int(number % VIEWS_EVERY == 0)
    scene = number - view
    num_lesions = 2 if kind != "normal" and scene % 12 == TWO_LESIONS else 1
    return {"kind": kind, "number": number, "scene": scene, "view": view, "num_lesions": num_lesions}


def _files(case: Mapping[str, Any]) -> list[str]:
    """Name the picture and its masks, of which there is one even where there is no lesion."""
    stem = f"{case['kind']}/{case['kind']} ({case['number']})"
    further = [f"{stem}_mask_{number}.png" for number in range(1, case["num_lesions"])]
    return [f"{stem}.png", f"{stem}_mask.png", *further]


def _size_of(scene: Sequence[int], size: Sequence[int]) -> list[int]:
    generator = np.random.default_rng((*scene, 2))
    shrinks = generator.uniform(0.8, 1, 2) if generator.random() < 0.25 else (1.0, 1.0)
    return [max(SMALLEST, round(length * share)) for length, share in zip(size, shrinks, strict=True)]
