"""Run one block of commands of a README at small settings, and end all that it started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from ci.documents.command_blocks import Block
from ci.documents.readme_rules import SHORTER

__all__ = ["run_block", "shorter"]

SECONDS_TO_END = 10.0


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
