"""End a run with one line instead of a traceback where a person can mend the cause."""

from __future__ import annotations

import atexit
import os
import re
import sys
import threading
from multiprocessing.dummy import DummyProcess
from types import TracebackType

from ..errors import find_input_error

__all__ = ["install_one_line_errors", "one_line_of"]

# What PyTorch raises where no code here is at fault: what its text says, and what to say instead.
OUTSIDE_CAUSES = {
    r"DataLoader worker .* (exited unexpectedly|is killed by signal)": (
        "a data loading process was ended from outside, mostly for want of memory; "
        "use fewer (--num_workers 0) or a smaller --cache_rate."
    ),
    r"CUDA out of memory": "the GPU's memory is too small; use a smaller --batch_size or --patch_size.",
    r"No space left on device": "the disk is full; free some space or choose another output folder.",
    r"expected input\[[^]]*\] to have (\d+) channels, but got (\d+) channels": (
        r"the network takes images of \1 channels, but these have \2; make --network_def#in_channels and the images "
        "(--modalities, where the bundle has it) agree."
    ),
}

SECONDS_FOR_A_CASE = 60.0


def one_line_of(error: BaseException) -> str | None:
    """Put an error that a person can mend into one line, or return None for all others."""
    mistake = find_input_error(error)
    if mistake is not None:
        return str(mistake)
    cause: BaseException | None = error
    while cause is not None:
        for pattern, advice in OUTSIDE_CAUSES.items():
            if found := re.search(pattern, str(cause)):
                return found.expand(advice)
        cause = cause.__cause__ or cause.__context__
    return None


def _wait_for_pools() -> None:
    """Let threads finish what they are reading.

    MONAI fills its cache in a pool of threads; where one case cannot be read they are still busy with the next. An
    interpreter that ends meanwhile is aborted by PyTorch or ITK: another status, and another last line.
    """
    for thread in threading.enumerate():
        if isinstance(thread, DummyProcess):
            thread.join(timeout=SECONDS_FOR_A_CASE)


def _keep_last_line(said: list[str]) -> None:
    """Close standard error where the last line was said, against what ITK's wrapper prints while Python is taken down.

    It is a warning of Python's own (swigvarlink has no __module__) at a time when no filter of warnings is left.
    """
    if said:
        sys.stderr.flush()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)


def install_one_line_errors() -> None:
    """Print such errors as one last line on standard error; leave all others to the hook that was there."""
    previous, said = sys.excepthook, []

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        line = one_line_of(error)
        if line is None:
            previous(kind, error, traceback)
        else:
            _wait_for_pools()
            print(f"Error: {line}", file=sys.stderr, flush=True)
            said.append(line)

    sys.excepthook = hook
    atexit.register(_keep_last_line, said)  # what is registered later runs before
