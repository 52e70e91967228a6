"""Write files that are either whole or not there."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

__all__ = ["atomic_write", "remove_leftovers", "require_writable"]

PREFIX = ".writing-"
RANDOM_LETTERS = 8  # that tempfile adds
MOST_BYTES = 255


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path next to `path`; when the block ends well, it is renamed to `path` in one step.

    Until then, and if the block raises, `path` stays as it was. The temporary name keeps the suffixes of `path`, since
    writers (nibabel, Matplotlib) choose the format by them. Missing folders are made.

    Args:
        path: of the finished file.

    Raises:
        InputError: the folder cannot be made or written.
    """
    path = Path(path)
    temporary = _new_file(path.parent, suffix=_end_of(path.name), shown=path)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        _rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _rename(temporary: Path, path: Path) -> None:
    try:
        temporary.replace(path)
    except OSError as error:
        remedy = "shorten the name" if error.errno == errno.ENAMETOOLONG else "move away what is there"
        raise InputError(f"{path}: cannot be written ({error.strerror}); {remedy}.") from error


def require_writable(folder: str | os.PathLike) -> None:
    """Make a folder and try to write into it, before the work whose results go there.

    Raises:
        InputError: it cannot be made or written.
    """
    _new_file(Path(folder), suffix="", shown=Path(folder)).unlink()


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Remove what a killed process left in a folder that no other process is writing to."""
    for leftover in Path(folder).glob(f"{PREFIX}*"):
        leftover.unlink()


def _new_file(folder: Path, suffix: str, shown: Path) -> Path:
    """Make an empty file, and the folder for it; errors name `shown`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=suffix, dir=folder)
        os.close(handle)
    except OSError as error:
        remedy = "shorten the name" if error.errno == errno.ENAMETOOLONG else "choose another output folder"
        raise InputError(f"{shown}: cannot be written ({error.strerror}); {remedy}.") from error
    return Path(name)


def _end_of(name: str) -> str:
    """Return the end of a name that fits, with what the temporary name adds, into what a disk allows."""
    end = "-" + name
    while len(os.fsencode(end)) > MOST_BYTES - len(PREFIX) - RANDOM_LETTERS:
        end = end[1:]
    return end


def _umask() -> int:
    """Return the permissions that new files lack (mkstemp makes them private)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
