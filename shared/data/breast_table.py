"""Read a table that lists breast ultrasound images."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError

__all__ = ["NORMAL", "cases_of_table"]

NORMAL = "normal"  # the class without a lesion
SUMMARIES = ("mean", "standard deviation", "pooled")  # rows of an evaluation that are no cases
COLUMNS = ("image", "mask", "class", "case", "group")


def cases_of_table(table: Path, root: Path, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the cases of a CSV with `COLUMNS`, whose paths start at `root`; see `find_breast_cases`."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{table}: cannot be read ({error}); give a CSV in UTF-8 with --cases_file.") from error
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]
    header = [cell.lower() for cell in rows[0]] if rows else []
    if "image" not in header or any(header.count(name) > 1 for name in COLUMNS):
        raise InputError(
            f'{table}: must have a column "image" and may have {", ".join(COLUMNS[1:])}, each once, with commas '
            f"between them; its first line reads {','.join(header)[:80]!r}."
        )
    cases: dict[str, dict[str, Any]] = {}
    for line, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        if len(row) != len(header):
            raise InputError(f"{table}: line {line} has {len(row)} cells, the first line {len(header)}; correct it.")
        case = _case_of_row(dict(zip(header, row, strict=True)), f"{table}: line {line}", root, class_names)
        if other := cases.get(case["case"]):
            raise InputError(
                f"{table}: line {line} names case {case['case']} again ({other['image']} and {case['image']}); name it "
                "in a column case."
            )
        cases[case["case"]] = case
    if not cases:
        raise InputError(f"{table}: lists no image; write one per line below the first.")
    return list(cases.values())


def _case_of_row(cells: Mapping[str, str], place: str, root: Path, class_names: Sequence[str]) -> dict[str, Any]:
    """Turn a row of the table into a case; errors name `place`."""
    written = cells.get("class", "")
    name = next((name for name in ("", *class_names) if name.casefold() == written.casefold()), None)
    if name is None:
        raise InputError(f"{place}: class {written!r} is unknown; write {' or '.join(class_names)}.")
    name_of_case = cells.get("case") or Path(cells["image"]).stem
    if name_of_case != Path(name_of_case).name or name_of_case in ("", "..", *SUMMARIES):
        raise InputError(f"{place}: case {name_of_case!r} cannot name files or a row of a table; choose another name.")
    image = root / cells["image"]
    masks = [root / path.strip() for path in cells.get("mask", "").split(";") if path.strip()]
    for path in (image, *masks):
        if not path.is_file():
            raise InputError(f"{place}: {path} is no file; correct it (paths start at {root}).")
    case: dict[str, Any] = {"case": name_of_case, "image": str(image)}
    if masks or name.casefold() == NORMAL:
        case["mask"] = [str(path) for path in masks]
    if name:
        case["class"] = list(class_names).index(name)
    if cells.get("group"):
        case["group"] = cells["group"]
    return case
