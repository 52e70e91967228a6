"""Names of cases that can name the files of their results."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError

__all__ = ["fault_of_name", "name_of_item", "refuse_same_names"]

MOST_BYTES = 255  # of a file's name, on all common disks


def fault_of_name(name: Any, longest_ending: str) -> str | None:
    """Say why a name cannot name folder and files, or return None.

    Args:
        name: "case" of an item.
        longest_ending: of the files' names, such as "_uncertainty.nii.gz".
    """
    text = str(name)
    if name is None or isinstance(name, (bool, list, tuple, dict)) or text.strip() in ("", ".", ".."):
        return f"case {name!r}: is no name; give every case a name of its own."
    if "/" in text or not text.isprintable():
        return f"case {text!r}: folder and files bear its name; leave out slashes and unprintable characters."
    most = MOST_BYTES - len(longest_ending)
    if (length := len(text.encode("utf-8", errors="replace"))) > most:
        return f"case {text[:40]}...: its name has {length} bytes, the files' names leave room for {most}; shorten it."
    return None


def name_of_item(item: Any) -> str:
    """Return "case" of an item, else the name of its picture's file, as `LoadPictured` gives it, else nothing."""
    if not isinstance(item, Mapping):
        return ""
    picture = item.get("image")
    return str(item.get("case", Path(picture).stem if isinstance(picture, (str, os.PathLike)) else ""))


def refuse_same_names(cases: Sequence[Any]) -> None:
    """Refuse two cases of one name (`name_of_item`): the results of one would overwrite those of the other.

    Raises:
        InputError: names both by their files.
    """
    first: dict[str, Mapping[str, Any]] = {}
    for item in cases:
        if not isinstance(item, Mapping):
            continue
        name = name_of_item(item)
        if not name:
            continue
        if name in first:
            raise InputError(
                f"case {name!r}: two cases have this name, {_files(first[name])} and {_files(item)}, and their results "
                "would go to one place; rename one."
            )
        first[name] = item


def _files(item: Mapping[str, Any]) -> str:
    """Return the first file of a case."""
    values = [value for key, value in item.items() if key not in ("case", "patient")]
    return next((value if isinstance(value, str) else repr(value) for value in values), "no file")
