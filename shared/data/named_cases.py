"""Give every case of a list a name of its own before the first is read."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.utils import ensure_tuple

from ..errors import InputError
from .file_patterns import case_of_file

__all__ = ["name_cases"]


def name_cases(cases: Sequence[Mapping[Hashable, Any]], modalities: str | Sequence[str]) -> list[dict[Hashable, Any]]:
    """Add "case" where it is not given: the name of the first file or DICOM folder, in the order of the modalities.

    Args:
        cases: items as `find_mri_cases` lists them or as a user gives them (`--datalist`). Items that hold tensors stay
            without a name.
        modalities: names of the modalities.

    Raises:
        InputError: two cases of one name, whose results would be written to one place.
    """
    named, sources = [], {}
    for item in cases:
        source = _first_path(item, ensure_tuple(modalities))
        name = item.get("case", None if source is None else case_of_file(source))
        if name is None:
            named.append(dict(item))
            continue
        if str(name) in sources:
            raise InputError(
                f"two cases are called {name}: {sources[str(name)]} and {source}; their results would be written to "
                "one place: give each a name, as in --datalist \"[{'case': 'NAME', ...}, ...]\"."
            )
        sources[str(name)] = source
        named.append({**item, "case": str(name)})
    return named


def _first_path(item: Mapping[Hashable, Any], modalities: Sequence[str]) -> str | None:
    """Return the first path of an item: a modality's, a [path, channel]'s, or one of a list's."""
    for key in (*modalities, "image"):
        source = item.get(key)
        for part in source if isinstance(source, (list, tuple)) else (source,):
            if isinstance(part, (str, os.PathLike)):
                return os.fspath(part)
    return None
