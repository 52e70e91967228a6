"""The configuration files of a bundle, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.errors import InputError


def config_files(bundle: Path, names: Sequence[str], setting: str) -> list[str]:
    """Return the paths of a bundle's configurations.

    Args:
        bundle: its folder.
        names: without folder and suffix, such as "train".
        setting: what named the overlays, for the error.

    Raises:
        InputError: one is missing.
    """
    files = [str(bundle / "configs" / f"{name}.json") for name in names]
    if absent := [file for file in files if not Path(file).is_file()]:
        raise InputError(f"{absent[0]}: no such file; correct --bundle or {setting}.")
    return files
