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

__all__ = ["find_temperature", "member_temperatures", "temperature_file", "write_temperature"]

Temperature = float | Sequence[float]  # of all classes, or one per class
NAMES = ("temperature", "class_temperature")  # of the pixels' or voxels' classes; of those of whole images


def temperature_file(weights: str | os.PathLike) -> Path:
    """Return models/model.temperature.json of models/model.pt."""
    path = Path(weights).expanduser()
    return path.with_name(f"{path.stem}.temperature.json")


def write_temperature(
    weights: str | os.PathLike, temperature: float | Sequence[float], details: Mapping[str, Any]
) -> Path:
    """Write a temperature with the hash of its weights, and return the file.

    Args:
        weights: what it was fitted for.
        temperature: one number, or one per class.
        details: further entries, such as "class_temperature".
    """
    path = temperature_file(weights)
    content = {"temperature": temperature, "weights_sha256": _hash_of(Path(weights).expanduser()), **details}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def find_temperature(
    temperature: Temperature | None, ckpt_path: str | os.PathLike | Sequence[str], name: str = NAMES[0]
) -> Temperature:
    """Return the temperature of a run: the given one, else the one that was fitted for the weights, else 1.

    A file of other weights (trained again since) does not count, with a warning. For an ensemble this is the
    temperature of the mean of its members, 1 unless it is given; see `member_temperatures`.

    Args:
        temperature: of the user, or None.
        ckpt_path: of the weights.
        name: entry of the file; "class_temperature" is that of the classes of whole images, 1 where there is none.

    Raises:
        InputError: the file next to the weights cannot be read.
    """
    if temperature is not None:
        return _plain(temperature)
    paths = [ckpt_path] if isinstance(ckpt_path, (str, os.PathLike)) else list(ckpt_path)
    return _fitted(paths[0], name) if len(paths) == 1 else 1.0


def member_temperatures(
    ckpt_path: str | os.PathLike | Sequence[str], given: Sequence[Temperature | None] = (None,)
) -> list[list[Temperature]]:
    """Return the temperatures of every network of an ensemble, each from the file next to its weights.

    Args:
        ckpt_path: of the weights; a single one, which `find_temperature` is for, gives an empty list.
        given: temperature, and in bundles with classes of whole images class temperature, of the user, or None. One
            that is given is that of the mean of the members, which then have 1.

    Raises:
        InputError: a file next to weights cannot be read.
    """
    paths = [ckpt_path] if isinstance(ckpt_path, (str, os.PathLike)) else list(ckpt_path)
    if len(paths) < 2:
        return []
    names = list(zip(NAMES, given, strict=False))
    found = [[1.0 if value is not None else _fitted(path, name) for name, value in names] for path in paths]
    without = [str(path) for path in paths if not temperature_file(path).is_file()]
    if 0 < len(without) < len(paths) and given[0] is None:
        logging.getLogger(__name__).warning(
            "%s: has no temperature, as other networks of the ensemble have; calibrate it, too.", without[0]
        )
    return found


def _fitted(weights: str | os.PathLike, name: str) -> Temperature:
    """Return what the file next to some weights says, or 1."""
    path = temperature_file(weights)
    if not path.is_file():
        return 1.0
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found, digest = _plain(content[NAMES[0]]), str(content["weights_sha256"])
        if name != NAMES[0]:
            found = _plain(content.get(name, 1.0))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is no temperature of calibrate.json; calibrate again, or remove it.") from error
    if not all(number > 0 for number in (found if isinstance(found, list) else [found])):
        raise InputError(f"{path}: expected a temperature above 0, got {found}; calibrate again, or remove it.")
    weights = Path(weights).expanduser()
    if not weights.is_file() or _hash_of(weights) != digest:
        logging.getLogger(__name__).warning("%s: belongs to other weights and is not used; calibrate again.", path)
        return 1.0
    return found


def _plain(temperature: Temperature) -> Temperature:
    """Return a number, or a list of numbers."""
    if isinstance(temperature, (list, tuple)):
        return [float(number) for number in temperature]
    return float(temperature)


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
