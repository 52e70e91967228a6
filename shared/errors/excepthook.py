"""End a process on an error that a person can mend with one line."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Collection
from multiprocessing.dummy import DummyProcess
from traceback import walk_stack
from types import TracebackType

from .error_line import FEWEST_SETTINGS, error_line

__all__ = ["install_excepthook"]

SECONDS_FOR_A_CASE = 60.0


def _settings_of_the_run() -> Collection[str]:
    """Return the names of the settings of the workflow that is being evaluated, if one is."""
    for frame, _ in walk_stack(sys._getframe()):  # without a frame, how many are skipped depends on Python
        caller = frame.f_locals.get("self")
        parser = getattr(caller, "__dict__", {}).get("parser")
        if isinstance(config := getattr(parser, "__dict__", {}).get("config"), dict):
            return set(config)
    return FEWEST_SETTINGS


def install_excepthook() -> None:
    """Print errors that a person can mend as one last line on standard error; leave others to the hook before.

    The traceback is in the log at level debug.
    """
    previous, settings = sys.excepthook, _settings_of_the_run()
    said: list[str] = []

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        line = error_line(error, settings)
        if line is None:
            previous(kind, error, traceback)
        else:
            logging.getLogger(__name__).debug("Traceback of the error:", exc_info=(kind, error, traceback))
            _wait_for_pools()
            print(f"Error: {line}", file=sys.stderr, flush=True)
            said.append(line)

    sys.excepthook = hook
    atexit.register(_keep_last_line, said)  # what is registered later runs before


def _keep_last_line(said: list[str]) -> None:
    """Close standard error where the last line was printed, before Python is taken down.

    ITK's wrapper warns then (swigvarlink has no __module__), when no filter of warnings is left.
    """
    if said:
        sys.stderr.flush()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)


def _wait_for_pools() -> None:
    """Let threads finish what they are reading.

    MONAI fills its cache in a pool of threads; where one case cannot be read they are still busy with the next. An
    interpreter that ends meanwhile is aborted by PyTorch or ITK: another status, and another last line.
    """
    for thread in threading.enumerate():
        if isinstance(thread, DummyProcess):
            thread.join(timeout=SECONDS_FOR_A_CASE)
