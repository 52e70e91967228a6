"""End a run with one line instead of a traceback where a person can mend the cause."""

from __future__ import annotations

import re
import sys
from types import TracebackType

from ..errors import find_input_error

__all__ = ["install_one_line_errors", "one_line_of"]

# What PyTorch raises for causes outside the program: what its text says, and what to say instead.
OUTSIDE_CAUSES = {
    r"DataLoader worker .* (exited unexpectedly|is killed by signal)": (
        "a data loading process was ended from outside, mostly for want of memory; "
        "use fewer (--num_workers 0) or a smaller --cache_rate."
    ),
    r"CUDA out of memory": "the GPU's memory is too small; use a smaller --batch_size or --patch_size.",
    r"No space left on device": "the disk is full; free some space or choose another output folder.",
}


def one_line_of(error: BaseException) -> str | None:
    """Put an error that a person can mend into one line, or return None for all others."""
    found = find_input_error(error)
    if found is not None:
        return str(found)
    cause: BaseException | None = error
    while cause is not None:
        for pattern, advice in OUTSIDE_CAUSES.items():
            if re.search(pattern, str(cause)):
                return advice
        cause = cause.__cause__ or cause.__context__
    return None


def install_one_line_errors() -> None:
    """Print such errors as one last line on standard error; leave all others to the hook that was there."""
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        line = one_line_of(error)
        if line is None:
            previous(kind, error, traceback)
        else:
            print(f"Error: {line}", file=sys.stderr)

    sys.excepthook = hook
