"""Find the file that somebody else's program wrote for every case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError

__all__ = ["prediction_files"]


def prediction_files(
    predictions: str, cases: Sequence[str], endings: Sequence[str], suffixes: Sequence[str]
) -> dict[str, Path]:
    """Return the one file of every case.

    Args:
        predictions: folder that holds them, itself or in a folder <case>.
        cases: names.
        endings: what may follow the name, such as "_seg".
        suffixes: what may follow that, such as ".png".

    Raises:
        InputError: no such folder, a case without a file or with several.
    """
    folder = Path(str(predictions))
    if not folder.is_dir():
        raise InputError(f"--predictions {predictions}: no such folder; give the one with the label maps.")
    files = {case: _file_of(folder, case, endings, suffixes) for case in cases}
    if missing := [case for case, file in files.items() if file is None]:
        expected = " or ".join(f"{missing[0]}{ending}{suffixes[0]}" for ending in endings[:2])
        raise InputError(
            f"--predictions {predictions}: {len(missing)} of {len(files)} cases have no file, such as {missing[0]} "
            f"({expected} is expected); add them."
        )
    return {case: file for case, file in files.items() if file is not None}


def _file_of(folder: Path, case: str, endings: Sequence[str], suffixes: Sequence[str]) -> Path | None:
    """Return the one file of a case, or None."""
    names = [f"{case}{ending}{suffix}" for ending in endings for suffix in suffixes]
    found = [place / name for place in (folder, folder / case) for name in names if (place / name).is_file()]
    if len(found) > 1:
        raise InputError(f"{found[0]} and {found[1]}: two predictions of case {case}; leave one.")
    return found[0] if found else None
