"""A folder with phantoms and nothing else: what it says about itself, when it may be written, and its images."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ..atomic_write import atomic_write
from ..errors import InputError

__all__ = ["RECORD", "already_painted", "as_json", "write_nifti", "write_text"]

RECORD = "phantoms.json"  # holds the parameters that the phantoms were painted with


def already_painted(folder: Path, parameters: Mapping[str, Any], files: Iterable[str]) -> bool:
    """Tell whether exactly these phantoms are there, whole; refuse a folder that holds anything else.

    Args:
        folder: of the phantoms.
        parameters: what `RECORD` must hold.
        files: paths within the folder.
    """
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


def as_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


def write_nifti(path: Path, volume: np.ndarray, affine: np.ndarray) -> None:
    """Write an image whose header says that it is painted; the same bytes each time."""
    image = nib.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"phantom, painted, no patient"
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    with atomic_write(path) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), compresslevel=4, mtime=0))
