"""Tables of what came of the commands of the READMEs: Markdown for readers, CSV with the lines."""

from __future__ import annotations

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from shared.atomic_write import atomic_write

__all__ = ["Outcome", "row_start", "write_list", "write_table"]

HEAD = """\
# Commands of the READMEs

By `python -m ci readme-commands`: every block of the READMEs in its order, at small settings, on painted data.
{counts}.

| README | command | outcome | s | why |
|---|---|---|---:|---|
"""


@dataclass(frozen=True)
class Outcome:
    """What came of a block: "done", "failed" or "skipped"; `why` is its last line, or why it was skipped."""

    document: str
    line: int
    command: str
    outcome: str
    seconds: float | None
    why: str


def write_list(outcomes: list[Outcome], path: Path) -> None:
    """Write a CSV file with the lines of the READMEs, which name the logs."""
    names = [field.name for field in fields(Outcome)]
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *map(astuple, outcomes)])


def write_table(outcomes: list[Outcome], path: Path, known: list[str]) -> None:
    """Write a Markdown table in the order of the READMEs, or replace the rows of some READMEs in it.

    Args:
        outcomes: all those of the READMEs that were run.
        path: of the table; its rows of other READMEs stay.
        known: all READMEs.
    """
    rows = {document: [] for document in known}
    kept = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in kept:
        if (document := line.removeprefix("| ").split(" | ")[0]) in rows:
            rows[document].append(line)
    rows |= {found.document: [] for found in outcomes}
    for found in outcomes:
        seconds = "" if found.seconds is None else found.seconds
        start = row_start(found.document, found.command)
        rows[found.document].append(f"{start}{found.outcome} | {seconds} | {_escaped(found.why)} |")
    lines = [line for document in known for line in rows[document]]
    counts = [f"{sum(f'` | {kind} | ' in line for line in lines)} {kind}" for kind in ("done", "failed", "skipped")]
    with atomic_write(path) as temporary:
        temporary.write_text(HEAD.format(counts=", ".join(counts)) + "\n".join(lines) + "\n", encoding="utf-8")


def row_start(document: str, command: str) -> str:
    """Return what a row of the table begins with; the rest is the outcome of this command."""
    return f"| {document} | `{_escaped(command)}` | "


def _escaped(text: str) -> str:
    """Return a text for a cell of a table."""
    return text.replace("|", "\\|")
