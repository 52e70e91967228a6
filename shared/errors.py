"""The one exception that a person who runs a bundle is meant to read."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

__all__ = ["InputError", "causes_of", "ends_the_run", "find_input_error", "is_out_of_memory"]

# As PyTorch, the C++ library and the system say it.
OUT_OF_MEMORY = re.compile(
    r"out of memory|(can't|cannot|unable to) allocate|not enough memory|bad_alloc|CUBLAS_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)


class InputError(ValueError):
    """A file or a setting that a person gave cannot be used.

    The text is one line: which file or setting, what is wrong with it, what to do. A run of a bundle ends with that
    line and exit status 1, without a traceback (`shared.handlers.install_one_line_errors`).
    """


def find_input_error(error: BaseException | None) -> InputError | None:
    """Find the `InputError` that lies behind an exception, or return None.

    MONAI wraps what a transform raises; PyTorch hands what a worker process raised over as text.
    """
    for cause in causes_of(error):
        if isinstance(cause, InputError) and "\n" not in str(cause):
            return cause
        written = re.findall(r"^(?:\w+\.)*InputError: (.+)$", str(cause), flags=re.MULTILINE)
        if written:
            return InputError(written[-1])
    return None


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Walk from an exception to what it was raised from or amid."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether memory, of the machine or of the GPU, ran out somewhere behind an exception."""
    return any(
        isinstance(cause, MemoryError)
        or getattr(cause, "errno", None) == errno.ENOMEM
        or (not isinstance(cause, InputError) and OUT_OF_MEMORY.search(str(cause)) is not None)
        for cause in causes_of(error)
    )


def ends_the_run(error: BaseException | None) -> bool:
    """Whether the next case would meet the same: no memory, no space on the disk, a data loading process that died."""
    full = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    return is_out_of_memory(error) or any(
        getattr(cause, "errno", None) in full
        or "No space left on device" in str(cause)
        or "DataLoader worker (pid" in str(cause)
        for cause in causes_of(error)
    )
