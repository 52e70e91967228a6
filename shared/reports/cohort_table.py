"""Table of a cohort: a row per case, from the cases' records."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from ..atomic_write import atomic_write, remove_leftovers
from ..data import CaseStream
from ..data.case_names import name_of_item
from ..data.process_share import gathered
from ..transforms.case_record import name_of_case
from .score_table import count_cases, markdown_text

__all__ = ["CohortTable"]

FIRST, LAST = ("case", "status", "seconds", "modalities_found", "class"), ("mean_uncertainty", "reason")
MEASURES = ("volume_", "area_")


class CohortTable:
    """Write ``cohort.csv`` and ``cohort.md`` at the end of an inference: what the record of every case says.

    Columns: "case" (name of its folder), "status" ("done" or "failed"), "seconds" (from reading to the record, empty
    where the record does not have it), what was found (modalities, class of the image, volume or area of every class,
    number of objects), "mean_uncertainty" where something is segmented, and "reason" of a failure. Cases that an
    earlier run did (`SkipFinished`) are in the table, too. Of several processes the first one writes, for all.

    Args:
        stream: the cases.
        output_dir: folder of the results.
        case_names: "plain" or "hash"; see `name_of_case`.
    """

    def __init__(self, stream: CaseStream, output_dir: str, case_names: str = "plain") -> None:
        self.stream = stream
        self.folder = Path(output_dir)
        self.case_names = case_names
        self.logger = logging.getLogger(type(self).__name__)

    def attach(self, engine: Engine) -> None:
        """Write when `engine` has done all cases."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write now; every process must call this."""
        of_all = gathered({number: self.row(number) for number in self.stream.handed_out})
        if engine.state.rank != 0:
            return
        rows = [row for _, row in sorted((number, row) for part in of_all for number, row in part.items())]
        columns = _columns(rows)
        remove_leftovers(self.folder)  # of a killed run; all processes have written their results
        for ending, text in {"csv": _csv(rows, columns), "md": _markdown(rows, columns)}.items():
            with atomic_write(self.folder / f"cohort.{ending}") as path:
                path.write_text(text, encoding="utf-8", errors="replace")
        self.logger.info("Written: %s (.md)", self.folder / "cohort.csv")

    def row(self, number: int) -> dict[str, Any]:
        """Return {column: value} of a case that is done or failed."""
        name = name_of_item(self.stream.data[number])
        if number in self.stream.failures:  # of a name that no folder can bear, too
            name = name_of_case({"case": name}, "hash") if self.case_names == "hash" else name
            return {"case": name, "status": "failed", "reason": self.stream.failures[number]}
        name = name_of_case({"case": name}, self.case_names)
        path = self.folder / name / f"{name}.json"
        try:
            return {"case": name, "status": "done", **_found(json.loads(path.read_text(encoding="utf-8")))}
        except (OSError, ValueError, KeyError, TypeError):
            return {"case": name, "status": "failed", "reason": f"{path}: no record is there."}


def _found(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the record of a case says, without its name; areas and volumes without those of the background."""
    found = {"seconds": record["seconds_since_reading_began"]}
    if "modalities_found" in record:
        found["modalities_found"] = " ".join(record["modalities_found"])
    if "class" in record:
        found["class"] = record["class"]
    for part in record.get("classes", record.get("regions", ())):
        if part["value"] != 0:
            found |= {f"{name} {part['name']}": size for name, size in part.items() if name.startswith(MEASURES)}
    if "objects" in record:
        found["objects"] = record["objects"]["number"]
    return {**found, "mean_uncertainty": record["mean_uncertainty_where_segmented"]}


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns that some row has, in the order of the class's docstring."""
    seen = list(dict.fromkeys(name for row in rows for name in row))
    between = [name for name in seen if name not in (*FIRST, *LAST)]
    return [*(name for name in FIRST if name in seen), *between, *(name for name in LAST if name in seen)]


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _markdown(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    failed = sum(row["status"] == "failed" for row in rows)
    shown = [[_cell(row.get(name)) for name in columns] for row in rows]
    table = [f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *shown)]
    return markdown_text("# Cohort", f"{count_cases(len(rows))}, {failed} failed.", table)


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|")
