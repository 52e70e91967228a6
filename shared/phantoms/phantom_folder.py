"""A folder with phantoms and nothing else: when it may be written, what it says about itself, and its files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ..atomic_write import atomic_write
from ..errors import InputError

__all__ = ["start_folder", "write_msd_listing", "write_nifti", "write_picture", "write_text"]

RECORD = "phantoms.json"  # holds the parameters that the phantoms were painted with


def start_folder(folder: Path, parameters: Mapping[str, Any], files: Iterable[str], readme: str) -> bool:
    """Write `RECORD` and README.txt; or return False where exactly these phantoms are there, whole.

    Args:
        folder: of the phantoms; one that holds anything else is refused.
        parameters: what `RECORD` holds.
        files: paths within the folder.
        readme: text, with {record} for the name of the record.
    """
    if _already_painted(folder, parameters, files):
        return False
    _write_json(folder / RECORD, parameters)
    write_text(folder / "README.txt", readme.replace("{record}", RECORD))
    return True


def _already_painted(folder: Path, parameters: Mapping[str, Any], files: Iterable[str]) -> bool:
    record = folder / RECORD
    if not record.is_file():
        if folder.exists() and (not folder.is_dir() or any(not path.name.startswith(".") for path in folder.iterdir())):
            raise InputError(f"{folder}: holds something else than phantoms; choose a new or an empty folder.")
        return False
    try:
        same = json.loads(record.read_text(encoding="utf-8")) == parameters
    except ValueError:
        same = False
    if not same:
        raise InputError(f"{folder}: holds other phantoms (see {RECORD}); delete the folder, or choose another.")
    return all((folder / file).is_file() for file in files)


def write_text(path: Path, text: str) -> None:
    """Write a text file, line ends as they are given."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(text.encode())


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_msd_listing(
    folder: Path, about: Mapping[str, str], channels: Sequence[str], labels: Sequence[str], cases: Sequence[Any]
) -> None:
    """Write dataset.json as in the Medical Segmentation Decathlon.

    Args:
        folder: of the phantoms.
        about: "name" and "description".
        channels: what the 4D images hold.
        labels: what the values 0, 1, ... of the labels mean.
        cases: {"image" and "label": path within the folder}.
    """
    listing = {
        **about,
        "tensorImageSize": "4D",
        "modality": {str(number): channel for number, channel in enumerate(channels)},
        "labels": {str(value): label for value, label in enumerate(labels)},
        "numTraining": len(cases),
        "numTest": 0,
        "training": [{key: f"./{file}" for key, file in files.items()} for files in cases],
        "test": [],
    }
    _write_json(folder / "dataset.json", listing)


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write a 2D image in the format that the suffix says."""
    from PIL import Image

    with atomic_write(path) as temporary:
        Image.fromarray(pixels).save(temporary)


def write_nifti(path: Path, volume: np.ndarray, affine: np.ndarray) -> None:
    """Write an image whose header says that it is painted; the same bytes each time."""
    image = nib.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"phantom, painted, no patient"
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    with atomic_write(path) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), compresslevel=4, mtime=0))
