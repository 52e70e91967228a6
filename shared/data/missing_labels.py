"""Name a file that looks like the missing label of a case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["missing_label"]

LABEL_WORDS = re.compile(r"(?i)(seg|label|mask|truth|gtv|annot|lesion|tumou?r|(?<![a-z])(gt|roi|ot))")
IMAGE = re.compile(r"(?i)\.(nii|gz|mha|mhd|nrrd|mgz)$")


def missing_label(case: str, files: Mapping[str, Any]) -> str:
    """Say that a case has no label, and which file in its folder looks like one.

    Args:
        case: its name.
        files: {modality: path or [path, channel]}.
    """
    paths = [Path(source[0] if isinstance(source, (list, tuple)) else source) for source in files.values()]
    folder = paths[0].parent
    alike = [
        path.name
        for path in sorted(folder.iterdir())
        if IMAGE.search(path.name) and LABEL_WORDS.search(path.stem.removeprefix(case)) and path not in paths
        if case in path.name or case in (folder.name, folder.parent.name)
    ]
    if not alike:
        return f"case {case} has no label; add the file."
    return f"case {case} has no label, but {folder / alike[0]} looks like it; rename it or give --layout its pattern."
