"""The folder of a case's results: only one case and one process at a time may write there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..atomic_write import remove_leftovers
from ..errors import InputError

__all__ = ["absolute_paths", "case_place"]


@contextmanager
def case_place(folder: Path, name: str, inputs: Mapping[str, Any]) -> Iterator[Path]:
    """Give the folder of a case for writing, unless it holds the complete results of other files, or the images.

    Until the block ends, other processes on this machine wait for the folder. The same files may be done again. What
    a killed process left half written is removed.

    Args:
        folder: in which the cases' folders are.
        name: of the case's folder, and of the record in it.
        inputs: what the case was read from, as the record has it.

    Raises:
        InputError: the folder cannot be made, holds a record of other files, or a file that the case was read from
            (a label next to it would be replaced: in BraTS it has the name of a result).
    """
    place = Path(folder) / name
    if place.resolve() in {Path(source).expanduser().resolve().parent for source in _texts(inputs)}:
        raise InputError(
            f"{place}: holds {_first(inputs)}; results do not go among images, choose another --output_dir."
        )
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{place}: cannot be written ({error.strerror}); choose another output folder.") from error
    with _locked(place):
        before = _inputs_of(place / f"{name}.json")
        if before and inputs and absolute_paths(before) != absolute_paths(inputs):
            then, now = _first(before), _first(inputs)
            if then == now:
                then, now = _all(before), _all(inputs)
            raise InputError(
                f"{place}: holds the results of {then}, and those of {now} would replace them; "
                "rename a case, choose another --output_dir, or remove that folder."
            )
        remove_leftovers(place)
        yield place


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Lock a folder, where system and disk can; that of a process that was killed is free again."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    opened = os.open(place, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks cannot
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _inputs_of(record: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(record.read_text(encoding="utf-8"))["inputs"])
    except (OSError, ValueError, KeyError, TypeError):  # none, or one that says nothing
        return {}


def absolute_paths(source: Any) -> Any:
    """Replace every path by its absolute form, so that ./a and a are the same."""
    if isinstance(source, Mapping):
        return {key: absolute_paths(value) for key, value in source.items()}
    if isinstance(source, (list, tuple)):
        return [absolute_paths(value) for value in source]
    return os.path.abspath(os.path.expanduser(source)) if isinstance(source, str) else source


def _texts(source: Any) -> Iterator[str]:
    """Walk over the paths that inputs name."""
    if isinstance(source, str):
        yield source
    elif isinstance(source, (Mapping, list, tuple)):
        for part in source.values() if isinstance(source, Mapping) else source:
            yield from _texts(part)


def _first(inputs: Mapping[str, Any]) -> str:
    """Return the file that messages about a case name."""
    source = next(iter(inputs.values()))
    return str(source[0] if isinstance(source, (list, tuple)) and source else source)


def _all(inputs: Mapping[str, Any]) -> str:
    """Return what distinguishes inputs with the same first file, such as "t2: a.nii, adc: b.nii"."""
    return ", ".join(f"{name}: {source}" for name, source in inputs.items())
