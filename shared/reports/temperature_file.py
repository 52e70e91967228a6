"""The temperature that was fitted for some weights, in a file next to them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..atomic_write import atomic_write
from ..errors import InputError

__all__ = ["find_temperature", "temperature_file", "write_temperature"]


def temperature_file(weights: str | os.PathLike) -> Path:
    """Return models/model.temperature.json of models/model.pt."""
    path = Path(weights).expanduser()
    return path.with_name(f"{path.stem}.temperature.json")


def write_temperature(weights: str | os.PathLike, temperature: float, details: Mapping[str, Any]) -> Path:
    """Write a temperature with the hash of its weights, and return the file."""
    path = temperature_file(weights)
    content = {"temperature": temperature, "weights_sha256": _hash_of(Path(weights).expanduser()), **details}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def find_temperature(temperature: float | None, ckpt_path: str | os.PathLike | Sequence[str]) -> float:
    """Return the temperature of a run: the given one, else the one that was fitted for the weights, else 1.

    A file of other weights (trained again since) does not count, with a warning. Neither does that of an ensemble's
    members: the mean of several networks is less certain than each of them.

    Args:
        temperature: of the user, or None.
        ckpt_path: of the weights.

    Raises:
        InputError: the file next to the weights cannot be read.
    """
    if temperature is not None:
        return float(temperature)
    paths = [ckpt_path] if isinstance(ckpt_path, (str, os.PathLike)) else list(ckpt_path)
    path = temperature_file(paths[0]) if len(paths) == 1 else None
    if path is None or not path.is_file():
        return 1.0
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found, digest = float(content["temperature"]), str(content["weights_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is no temperature of calibrate.json; calibrate again, or remove it.") from error
    if not found > 0:
        raise InputError(f"{path}: expected a temperature above 0, got {found}; calibrate again, or remove it.")
    weights = Path(paths[0]).expanduser()
    if not weights.is_file() or _hash_of(weights) != digest:
        logging.getLogger(__name__).warning("%s: belongs to other weights and is not used; calibrate again.", path)
        return 1.0
    return found


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
