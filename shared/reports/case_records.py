"""Keep the scores of every case in a file of its own, so that a stopped evaluation continues."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..atomic_write import atomic_write
from ..errors import InputError

__all__ = ["CaseRecords"]


class CaseRecords:
    """The records `<folder>/<case>.json`; a record counts if it was made with the same weights and settings.

    Args:
        folder: of the records.
        made_with: weights, settings and all else that changes a score.
    """

    def __init__(self, folder: Path, made_with: Mapping[str, Any]) -> None:
        self.folder = folder
        self.made_with = json.loads(json.dumps(made_with))  # as it will be read back

    def write(self, case: Any, scores: Mapping[str, Any]) -> None:
        """Write the record of a case."""
        record = {"case": str(case), **self.made_with, **scores}
        with atomic_write(self._path(case)) as path:
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    def read(self, case: Any) -> dict[str, Any] | None:
        """Return the record of a case; None if there is none that counts.

        Raises:
            InputError: the file cannot be read.
        """
        try:
            record = json.loads(self._path(case).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"{self._path(case)}: cannot be read; remove it, and the case is scored anew.") from error
        return record if self.made_with.items() <= record.items() else None

    def _path(self, case: Any) -> Path:
        return self.folder / f"{case}.json"
