"""Sort the files of a folder into cases by one pattern per modality."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ..errors import InputError

__all__ = ["case_of_file", "match_files", "paths_below"]

# In a pattern, relative to the data folder: {case} is the case's name, * anything without a slash, **/ any folders or
# none, [...] may be missing. A pattern that ends with a slash names a folder (one DICOM series).
WILDCARD = re.compile(r"(\*\*/|\*\*|\*|\{case\}|\[[^\]]*\])")
SUFFIX = re.compile(r"\.(nii|gz|mha|mhd|nrrd|nhdr|mgz|mgh|img|hdr)(?![a-z0-9])")  # .NII.GZ will do as well


def case_of_file(path: str | os.PathLike) -> str:
    """Return the name of a case that consists of one file, without suffix, or of one folder."""
    path = Path(path).expanduser()
    return path.name if path.is_dir() else Path(re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE)).stem


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


def match_files(
    paths: Mapping[str, Path], patterns: Mapping[str, str]
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Sort all paths (relative name -> path) that fit the pattern of their key into cases.

    Returns:
        {case: {key: path}}, and {case: reason} of the cases that cannot be used: a case with two files for one key, or
        with files from two folders that each have the same keys for other cases (it may be two cases).
    """
    found: dict[str, dict[str, str]] = {}
    doubtful: dict[str, str] = {}
    folders: dict[str, dict[str, str]] = {}  # {case: {key: its folder, with {case} for the name}}
    for key, pattern in patterns.items():
        expression = _expression(key, pattern)
        for relative, path in paths.items():
            match = expression.fullmatch(relative)
            if match is None:
                continue
            case = match["case"]
            files = found.setdefault(case, {})
            if key in files:
                doubtful.setdefault(
                    case,
                    f"case {case} has two files for {key}, {files[key]} and {path}; "
                    "remove one, rename one case, or give a narrower pattern.",
                )
                continue
            files[key] = str(path)
            folders.setdefault(case, {})[key] = _folder_of_case(relative, case)
    return found, _mixed_cases(found, folders) | doubtful


def _folder_of_case(relative: str, case: str) -> str:
    """Return the folder of a path, with {case} in place of the case's name."""
    name = re.compile(rf"(?<![A-Za-z0-9]){re.escape(case)}(?![A-Za-z0-9])")
    return name.sub("{case}", PurePosixPath(relative).parent.as_posix())


def _mixed_cases(found: Mapping[str, Mapping[str, str]], folders: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Find cases in several folders (a/1/1_t1.nii, b/1/1_t2.nii), unless every folder has modalities of its own."""
    held: dict[str, set[str]] = {}
    for own in folders.values():
        for key, folder in own.items():
            held.setdefault(folder, set()).add(key)
    mixed = {}
    for case, own in folders.items():
        pairs = [(one, other) for one in own for other in own if own[one] < own[other]]
        for one, other in pairs:
            if held[own[one]] & held[own[other]]:
                mixed[case] = (
                    f"case {case} has files in two folders, {found[case][one]} and {found[case][other]}; rename one if "
                    "they are two cases, or move them together."
                )
    return mixed


def _expression(key: str, pattern: str) -> re.Pattern:
    """Turn a pattern into a regular expression with the group "case"."""
    if "{case}" not in pattern:
        raise InputError(f"pattern {pattern!r} for {key}: write {{case}} in place of the case's name.")
    first, translated = True, ""
    for part in WILDCARD.split(pattern.removeprefix("./")):
        if part == "{case}":
            translated += r"(?P<case>[^/]+)" if first else r"(?P=case)"
            first = False
        elif part.startswith("["):
            translated += f"(?:{_literal(part[1:-1])})?"
        else:
            translated += {"**/": r"(?:[^/]+/)*", "**": r".*", "*": r"[^/]*"}.get(part) or _literal(part)
    return re.compile(translated)


def _literal(text: str) -> str:
    """Match a text as it is, but a suffix in small or capital letters."""
    pieces, end = [], 0
    for suffix in SUFFIX.finditer(text):
        pieces += [re.escape(text[end : suffix.start()]), f"(?i:{re.escape(suffix[0])})"]
        end = suffix.end()
    return "".join(pieces) + re.escape(text[end:])
