"""Errors of PyTorch and of the system that a person can mend."""

from __future__ import annotations

import errno
import re

from .input_error import InputError, causes_of

__all__ = ["OUTSIDE_CAUSES", "ends_the_run", "is_out_of_memory"]

# As PyTorch, the C++ library and the system say it.
OUT_OF_MEMORY = re.compile(
    r"out of memory|(can't|cannot|unable to) allocate|not enough memory|bad_alloc|CUBLAS_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)

# What PyTorch raises where no code here is at fault: what its text says, and what to say instead.
OUTSIDE_CAUSES = {
    r"unable to (mmap|write to file|open shared memory|resize file)|/dev/shm|received 0 items of ancdata": (
        "the data loading processes have too little shared memory; use fewer (--num_workers 0), or give the container "
        "more (--shm-size)."
    ),
    r"DataLoader worker .* (exited unexpectedly|is killed by signal)": (
        "a data loading process was ended from outside, mostly for want of memory; "
        "use fewer (--num_workers 0) or a smaller --cache_rate."
    ),
    r"No space left on device": "the disk is full; free some space or choose another output folder.",
    r"Expected more than 1 (value per channel|spatial element) when training": (
        "the network halves the patches until one value is left; use a larger --patch_size or --batch_size."
    ),
    r"the referring item `@([^`]+)` is not defined": r"@\1 names no setting; correct the setting that refers to it.",
    r"expected input\[[^]]*\] to have (\d+) channels, but got (\d+) channels": (
        r"the network takes images of \1 channels, but these have \2; make --network_def#in_channels and the images "
        "(--modalities, where the bundle has it) agree."
    ),
    r"running_mean should contain (\d+) elements not (\d+)": (
        r"the network takes images of \2 channels, but these have \1; make --network_def#in_channels and the images "
        "agree."
    ),
}


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
