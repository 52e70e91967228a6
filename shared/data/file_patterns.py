"""Sort the files of a folder into cases by one pattern per modality."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import InputError

__all__ = ["match_files", "paths_below"]

# In a pattern, relative to the data folder: {case} is the case's name, * anything without a slash, **/ any folders or
# none, [...] may be missing. A pattern that ends with a slash names a folder (one DICOM series).
WILDCARD = re.compile(r"(\*\*/|\*\*|\*|\{case\}|\[[^\]]*\])")


def paths_below(folder: Path) -> dict[str, Path]:
    """List all files and folders by their path relative to `folder`; those of folders end with a slash.

    Names that begin with a dot are passed over, links are followed.
    """
    paths, seen = {}, set()
    for parent, subfolders, files in os.walk(folder, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        if os.path.realpath(parent) in seen:  # a link that leads back
            subfolders.clear()
            continue
        seen.add(os.path.realpath(parent))
        for name in (*sorted(files), *(f"{name}/" for name in subfolders)):
            if not name.startswith("."):
                path = Path(parent, name)
                paths[path.relative_to(folder).as_posix() + "/" * name.endswith("/")] = path
    return paths


def match_files(paths: Mapping[str, Path], patterns: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return {case: {key: path}} of all paths (relative name -> path) that fit the pattern of their key."""
    found: dict[str, dict[str, str]] = {}
    for key, pattern in patterns.items():
        expression = _expression(key, pattern)
        for relative, path in paths.items():
            match = expression.fullmatch(relative)
            if match is None:
                continue
            files = found.setdefault(match["case"], {})
            if key in files:
                raise InputError(
                    f"case {match['case']} has two files for {key}, {files[key]} and {path}; "
                    "remove one, or give a narrower pattern."
                )
            files[key] = str(path)
    return found


def _expression(key: str, pattern: str) -> re.Pattern:
    """Turn a pattern into a regular expression with the group "case"."""
    if "{case}" not in pattern:
        raise InputError(f"pattern {pattern!r} for {key}: write {{case}} where the name of the case stands.")
    first, translated = True, ""
    for part in WILDCARD.split(pattern.removeprefix("./")):
        if part == "{case}":
            translated += r"(?P<case>[^/]+)" if first else r"(?P=case)"
            first = False
        elif part.startswith("["):
            translated += f"(?:{re.escape(part[1:-1])})?"
        else:
            translated += {"**/": r"(?:[^/]+/)*", "**": r".*", "*": r"[^/]*"}.get(part, re.escape(part))
    return re.compile(translated)
