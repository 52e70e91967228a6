"""Run every command of the READMEs at small settings and write a table of what came of it.

    python -m ci readme-commands --out commands [--documents ci/README.md] [--table ci/commands.md]

Each README runs in a copy of the repository of its own: its blocks in their order, on painted data, every bundle with
the settings of its tiny.json. `ci/documents/readme_rules.py` has the rules: which commands are shortened, and which
are not run and why. Results: commands/commands.md and .csv, and the output of every command in commands/logs/. Rows of
READMEs that are not run stay as they are in the Markdown table, which is whole after every README. Status 1 if a
command fails.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ci.documents.command_blocks import Block, blocks_of, settings_of
from ci.documents.outcome_table import Outcome, write_list, write_table
from ci.documents.readme_rules import FIRST, FIRST_IN_PYTHON, SKIPPED
from ci.documents.run_block import run_block, shorter
from ci.documents.scratch_copy import copy_repository, make_small, paint_data
from ci.lint.config_files import bundles_below
from shared.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("bash", "python")


def documents_below(root: Path) -> list[str]:
    """Name the READMEs, from the repository's root."""
    bundles = [bundle.relative_to(root).as_posix() for bundle in bundles_below(root)]
    return ["README.md", *(f"{bundle}/docs/README.md" for bundle in bundles), "bundles/README.md", "ci/README.md"]


def reason_to_skip(block: Block) -> str:
    """Say why a block is not run; nothing if it is."""
    if block.language not in LANGUAGES:
        return "no command"
    return next((why for pattern, why in SKIPPED.items() if re.search(pattern, block.text, re.MULTILINE)), "")


def run_document(document: str, folder: Path, logs: Path, timeout_s: float) -> Iterator[Outcome]:
    """Run the blocks of a document in a folder, in their order."""
    before = [FIRST.get(document, FIRST[""])]
    for block in blocks_of((folder / document).read_text(encoding="utf-8")):
        why, outcome, seconds = reason_to_skip(block), "skipped", None
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
