"""The JSON record of a case's results, for any kind of image."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import monai
import torch

from ..atomic_write import atomic_write
from ..errors import InputError

__all__ = [
    "NOTICE",
    "bundle_name_and_version",
    "circumstances",
    "files_read",
    "name_of_case",
    "study_read",
    "write_record",
]

HASH_DIGITS = 12
NOTICE = "For research use only. Not for diagnosis."


def name_of_case(data: Mapping[Hashable, Any], case_names: str = "plain") -> str:
    """Return the name of a case's folder, files and figures.

    Args:
        data: holds "case".
        case_names: "plain", that name itself; "hash", the first 12 hexadecimal digits of its SHA-256, so that no name
            of a patient is in a figure or a file's name. (Who knows all names that may be can still find the one.)

    Raises:
        InputError: "case" is missing, or cannot be the name of a folder.
    """
    case = str(data.get("case", ""))
    if case_names == "hash" and case:
        return hashlib.sha256(case.encode("utf-8", errors="surrogateescape")).hexdigest()[:HASH_DIGITS]
    if case != Path(case).name or case in ("", ".."):
        raise InputError(
            f"case {case!r}: expected a name without slashes, since files are named after the case; rename it."
        )
    return case


def bundle_name_and_version(metadata_path: str | Path) -> dict[str, str]:
    """Read the two from a bundle's metadata.json.

    Raises:
        InputError: the file cannot be read or lacks one of them.
    """
    try:
        metadata = json.loads(Path(metadata_path).read_text(encoding="utf-8"))
        return {"name": metadata["name"], "version": metadata["version"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{metadata_path}: the bundle's metadata.json, with name and version, is needed for the record; "
            "correct --bundle_root."
        ) from error


def files_read(data: Mapping[Hashable, Any], image: Any) -> dict[str, Any]:
    """Return {modality: file} as `NoteInputsd` noted it, or the one file that the image's metadata name."""
    if "inputs" in data:
        return json.loads(data["inputs"])["files"]
    meta = getattr(image, "meta", {})
    return {"image": str(meta["filename_or_obj"])} if "filename_or_obj" in meta else {}


def study_read(data: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Return {"dicom": which series were read and why} of a case that is a DICOM study."""
    return {"dicom": json.loads(data["dicom"])} if data.get("dicom") else {}


def circumstances(data: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Return the weights as `WeightsLoader` noted them (None if it did not), versions and times."""
    seconds = time.time() - json.loads(data["inputs"])["begun"] if "inputs" in data else None
    return {
        "weights": json.loads(data["weights"]) if data.get("weights") else None,
        "software": {"monai": monai.__version__, "torch": torch.__version__},
        "written_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds_since_reading_began": None if seconds is None else round(seconds, 2),
    }


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as JSON, whole or not at all."""
    with atomic_write(path) as temporary:
        text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
