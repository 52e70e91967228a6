"""The errors that a person who runs a bundle is meant to read, and how a run ends on one."""

from __future__ import annotations

import atexit
import os
import re
import sys
import threading
from multiprocessing.dummy import DummyProcess
from types import TracebackType

__all__ = ["InputError", "error_line", "find_input_error", "install_excepthook"]

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


class InputError(ValueError):
    """A file or a setting that a person gave cannot be used.

    The text is one line: which file or setting, what is wrong with it, what to do. A run of a bundle ends with that
    line and exit status 1, without a traceback (`install_excepthook`).
    """


def find_input_error(error: BaseException | None) -> InputError | None:
    """Find the `InputError` that lies behind an exception, or return None.

    MONAI wraps what a transform raises; PyTorch hands what a worker process raised over as text.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, InputError) and "\n" not in str(error):
            return error
        written = re.findall(r"^(?:\w+\.)*InputError: (.+)$", str(error), flags=re.MULTILINE)
        if written:
            return InputError(written[-1])
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def error_line(error: BaseException) -> str | None:
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


def install_excepthook() -> None:
    """Print errors that a person can mend as one last line on standard error; leave others to the hook before."""
    previous, said = sys.excepthook, []

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        line = error_line(error)
        if line is None:
            previous(kind, error, traceback)
        else:
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
