"""Read files whose suffix is written in capitals: image.NII.GZ, image.Nii, image.MHA."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["is_nifti", "with_small_suffix"]

ONE_FILE = re.compile(r"(\.nii|\.nii\.gz|\.mha|\.nrrd)$", re.IGNORECASE)  # other formats have a second file


def is_nifti(path: Path) -> bool:
    """Recognise NIfTI by the suffix, in small or capital letters."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


@contextmanager
def with_small_suffix(path: Path) -> Iterator[Path]:
    """Give a name under which nibabel and ITK read a file: its own, or that of a link with the suffix in small letters.

    nibabel reads .NII.GZ but not .Nii, ITK no .MHA.
    """
    suffix = ONE_FILE.search(path.name)
    if suffix is None or suffix[0].islower() or not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, path.name.removesuffix(suffix[0]) + suffix[0].lower())
        link.symlink_to(path.resolve())
        yield link
