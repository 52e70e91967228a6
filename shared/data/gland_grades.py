"""Read patients and grades of gland images from the table of the Warwick-QU data set."""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path

from ..errors import InputError

__all__ = ["GRADES", "find_grades"]

GRADES = ("benign", "malignant")  # the number of a grade is its index here
GRADE_FILE = "grade.csv"  # in any mixture of small and large letters


def find_grades(root: Path, grades_file: str | os.PathLike | None) -> dict[str, tuple[str | None, int | None]]:
    """Return {case: (patient, grade)} of a file, by default of `Grade.csv` in a folder; {} if there is none.

    Raises:
        InputError: the file cannot be read, has other columns, an unknown grade or a case twice.
    """
    if grades_file:
        return _read_grades(Path(grades_file).expanduser())
    files = sorted(path for path in root.iterdir() if path.name.lower() == GRADE_FILE)
    return _read_grades(files[0]) if files else {}


def _read_grades(path: Path) -> dict[str, tuple[str | None, int | None]]:
    """Return {case: (patient, grade)}; lines may end as on any system, and cells may be padded with blanks."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # turns a carriage return alone into a line end, too
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a CSV in UTF-8 with --grades_file.") from error
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]
    header = [cell.lower() for cell in rows[0]] if rows else []
    columns = {
        "name": next((i for i, cell in enumerate(header) if cell == "name"), None),
        "patient": next((i for i, cell in enumerate(header) if cell.startswith("patient")), None),
        "grade": next((i for i, cell in enumerate(header) if cell in ("grade (glas)", "grade")), None),
    }
    if columns["name"] is None or columns["grade"] is None:
        raise InputError(
            f'{path}: must have the columns "name" and "grade (GlaS)", and may have "patient ID", with commas between '
            f"them; its first line reads {','.join(header)[:80]!r}."
        )
    found: dict[str, tuple[str | None, int | None]] = {}
    for line, row in enumerate(rows[1:], start=2):
        cells = {key: row[i] if i is not None and i < len(row) else "" for key, i in columns.items()}
        name = re.sub(r"\.(bmp|png|tiff?|jpe?g)$", "", cells["name"], flags=re.IGNORECASE)
        if not any(row):
            continue
        if not name or name in found:
            raise InputError(f"{path}: line {line} names {'no image' if not name else f'{name} again'}; correct it.")
        if cells["grade"].lower() not in ("", *GRADES):
            raise InputError(
                f"{path}: grade {cells['grade']!r} of {name} (line {line}) is unknown; write {' or '.join(GRADES)}."
            )
        grade = GRADES.index(cells["grade"].lower()) if cells["grade"] else None
        found[name] = (cells["patient"] or None, grade)
    return found
