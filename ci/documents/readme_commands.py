"""Run every command of the READMEs at small settings and write a table of what came of it.

    python -m ci readme-commands --out commands [--documents ci/README.md] [--table ci/commands.md]

Each README runs in a copy of the repository of its own: its blocks in their order, on painted data, every bundle with
the settings of its tiny.json. `ci/documents/readme_rules.py` has the rules: which commands are shortened, and which
are not run and why. Results: commands/commands.md and .csv, and the output of every command in commands/logs/. Rows of
READMEs that are not run stay as they are in the Markdown table, which is whole after every README. Status 1 if a
command fails.
"""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from ci.documents.command_blocks import Block, blocks_of, settings_of
from ci.documents.readme_rules import FIRST, FIRST_IN_PYTHON, SHORTER, SKIPPED
from ci.documents.scratch_copy import copy_repository, make_small, paint_data
from ci.lint.config_files import bundles_below
from shared.atomic_write import atomic_write
from shared.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("bash", "python")
SECONDS_TO_END = 10.0
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


def documents_below(root: Path) -> list[str]:
    """Name the READMEs, from the repository's root."""
    bundles = [bundle.relative_to(root).as_posix() for bundle in bundles_below(root)]
    return ["README.md", *(f"{bundle}/docs/README.md" for bundle in bundles), "bundles/README.md", "ci/README.md"]


def reason_to_skip(block: Block) -> str:
    """Say why a block is not run; nothing if it is."""
    if block.language not in LANGUAGES:
        return "no command"
    return next((why for pattern, why in SKIPPED.items() if re.search(pattern, block.text, re.MULTILINE)), "")


def shorter(text: str) -> str:
    """Return a block at small settings, what a backslash continues in one line."""
    text = re.sub(r"\s*\\\n\s*", " ", text)
    for pattern, instead in SHORTER.items():
        text = re.sub(pattern, instead, text)
    return text


def run_block(block: Block, before: list[str], python_before: str, folder: Path, log: Path, timeout_s: float) -> str:
    """Run a block; return "" if it came to a good end, else its last line.

    Args:
        block: of bash or Python.
        before: lines that set what it needs.
        python_before: the same for Python.
        folder: working directory.
        log: file for its output.
        timeout_s: after which it is killed, with all that it started.
    """
    text = shorter(block.text)
    if block.language == "python":
        text = f"python - <<'END_OF_BLOCK'\n{python_before}\n{text}\nEND_OF_BLOCK"
    script = "\n".join(["set -euo pipefail", *before, text])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        print(script, end="\n\n", file=output, flush=True)
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return f"took longer than {timeout_s:g} s"
        finally:
            _end_group(process.pid)
    if status == 0:
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"status {status}: {lines[-1]}"


def _end_group(group: int) -> None:
    """End what a command left running: torchrun ends its processes when it is asked to, not when it is killed."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + SECONDS_TO_END
        try:
            os.killpg(group, sent)
            while time.monotonic() < until:
                time.sleep(0.05)
                with suppress(ChildProcessError):
                    os.waitpid(-group, os.WNOHANG)
                os.killpg(group, 0)  # whether it is still there
        except ProcessLookupError:
            return


def run_document(document: str, folder: Path, logs: Path, timeout_s: float) -> Iterator[Outcome]:
    """Run the blocks of a document in a folder, in their order."""
    before = [FIRST.get(document, FIRST[""])]
    for block in blocks_of((folder / document).read_text(encoding="utf-8")):
        why, seconds = reason_to_skip(block), None
        outcome = "skipped" if why else "done"
        if not why:
            started = time.monotonic()
            log = logs / f"{document.replace('/', '-').removesuffix('.md')}-{block.line}.txt"
            why = run_block(block, before, FIRST_IN_PYTHON.get(document, ""), folder, log, timeout_s)
            outcome, seconds = "failed" if why else "done", round(time.monotonic() - started, 1)
            before += settings_of(shorter(block.text)) if block.language == "bash" else []
        print(f"{document}:{block.line}: {outcome}{f', {seconds} s' if seconds else ''} {why}", flush=True)
        yield Outcome(document, block.line, block.shown, outcome, seconds, why)


def run_copied(document: str, out: Path, timeout_s: float) -> list[Outcome]:
    """Run a document in a small copy of the repository, with its data."""
    with tempfile.TemporaryDirectory(prefix="readme_commands_") as temporary:
        copy = Path(temporary, "repository")
        copy_repository(ROOT, copy)
        make_small(document, copy)
        paint_data(document, copy)
        return list(run_document(document, copy, out / "logs", timeout_s))


def write_list(outcomes: list[Outcome], path: Path) -> None:
    """Write a CSV file with the lines of the READMEs, which name the logs."""
    names = [field.name for field in fields(Outcome)]
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *map(astuple, outcomes)])


def row_start(document: str, command: str) -> str:
    """Return what a row of the table begins with; the rest is the outcome of this command."""
    return f"| {document} | `{escaped(command)}` | "


def escaped(text: str) -> str:
    """Return a text for a cell of a table."""
    return text.replace("|", "\\|")


def write_table(outcomes: list[Outcome], path: Path, known: list[str]) -> None:
    """Write a Markdown table in the order of the READMEs; rows of other READMEs in it are kept.

    Args:
        outcomes: of whole READMEs.
        path: the file.
        known: all READMEs.
    """
    rows = {document: [] for document in known}
    before = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in before:
        if (document := line.removeprefix("| ").split(" | ")[0]) in rows:
            rows[document].append(line)
    rows |= {found.document: [] for found in outcomes}
    for found in outcomes:
        seconds = "" if found.seconds is None else found.seconds
        start = row_start(found.document, found.command)
        rows[found.document].append(f"{start}{found.outcome} | {seconds} | {escaped(found.why)} |")
    lines = [line for document in known for line in rows[document]]
    counts = [f"{sum(f'` | {kind} | ' in line for line in lines)} {kind}" for kind in ("done", "failed", "skipped")]
    with atomic_write(path) as temporary:
        temporary.write_text(HEAD.format(counts=", ".join(counts)) + "\n".join(lines) + "\n", encoding="utf-8")


def main(
    *, out: str, documents: str | None = None, table: str | None = None, jobs: int = 1, timeout_s: float = 900.0
) -> None:
    """Run the commands and write the table.

    Args:
        out: folder for table and logs.
        documents: READMEs, separated by commas, as "README.md,ci/README.md"; all of them if it is not given.
        table: Markdown file of the table; commands.md in `out` if it is not given.
        jobs: READMEs that run at a time.
        timeout_s: seconds after which a command is killed and counts as failed.

    Raises:
        InputError: there is no such README, or a command fails.
    """
    known = documents_below(ROOT)
    chosen = known if documents is None else documents.split(",")
    if unknown := [name for name in chosen if name not in known]:
        raise InputError(f"documents: {unknown[0]} is no README of this repository; choose from {', '.join(known)}.")
    shown = Path(out, "commands.md") if table is None else Path(table)
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(jobs) as pool:
        each = pool.map if jobs > 1 else map  # without a thread an interruption ends the command
        for found in each(lambda document: run_copied(document, Path(out), timeout_s), chosen):
            outcomes += found
            write_list(outcomes, Path(out, "commands.csv"))
            write_table(outcomes, shown, known)
    failed = [f"{found.document}:{found.line}" for found in outcomes if found.outcome == "failed"]
    if failed:
        raise InputError(f"{shown}: {len(failed)} commands fail, {', '.join(failed)}; mend them.")
