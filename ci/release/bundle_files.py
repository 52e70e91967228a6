"""Which files of a bundle's folder are shared with it, and which are downloaded later."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["large_files", "own_files"]


def _ignored_by_git(folder: Path) -> set[Path]:
    """Return the files that git ignores; none outside a repository."""
    if shutil.which("git") is None:
        return set()
    listing = ["git", "-C", str(folder), "ls-files", "--others", "--ignored", "--exclude-standard", "-z"]
    listed = subprocess.run(listing, capture_output=True, check=False).stdout.decode()
    return {folder / name for name in listed.split("\0") if name}


def _weights_in_git(bundle: Path) -> list[Path]:
    """Return the weights that the repository ships, if it does; what a training left there is ignored by git."""
    if shutil.which("git") is None:
        return []
    listing = ["git", "-C", str(bundle), "ls-files", "-z", "models"]
    listed = subprocess.run(listing, capture_output=True, check=False).stdout.decode()
    return [bundle / name for name in listed.split("\0") if name]


def own_files(bundle: Path) -> list[Path]:
    """List the files of a bundle that are shared: licence, configs, documents, shipped weights; nothing a run left."""
    found = [
        bundle / "LICENSE",
        bundle / "large_files.json",
        *(bundle / "configs").iterdir(),
        *(bundle / "docs").rglob("*"),
        *_weights_in_git(bundle),
    ]
    ignored = _ignored_by_git(bundle)
    left_out = ignored | {path for path in found if path.name == "MANIFEST.json" or path.name.startswith(".")}
    return [path for path in found if path.is_file() and path not in left_out]


def large_files(bundle: Path) -> list[dict[str, Any]]:
    """Return the entries of large_files.json; none without that file."""
    path = bundle / "large_files.json"
    return json.loads(path.read_text(encoding="utf-8"))["large_files"] if path.is_file() else []
