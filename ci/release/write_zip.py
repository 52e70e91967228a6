"""Write a zip whose bytes depend on its files alone."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

from shared.atomic_write import atomic_write

__all__ = ["write_zip"]


def write_zip(path: Path, folder: str, files: Mapping[str, bytes]) -> None:
    """Write files below `folder` into a zip whose bytes depend on nothing else, not even on the zlib at hand."""
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{folder}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, also when made on Windows
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, files[name])
