"""The errors that a person who runs a bundle is meant to read, and how a run ends on one."""

from __future__ import annotations

import atexit
import errno
import logging
import os
import re
import sys
import threading
from collections.abc import Collection, Iterator
from multiprocessing.dummy import DummyProcess
from traceback import walk_stack
from types import TracebackType

__all__ = [
    "InputError",
    "causes_of",
    "ends_the_run",
    "error_line",
    "find_input_error",
    "in_one_line",
    "install_excepthook",
    "is_out_of_memory",
]

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

SECONDS_FOR_A_CASE = 60.0

# Settings that decide how much memory a run takes, and what helps.
MEMORY_SETTINGS = {
    "cache_rate": "a smaller --cache_rate",
    "batch_size": "a smaller --batch_size",
    "patch_size": "a smaller --patch_size",
    "patch_size_um": "a smaller --patch_size_um",
    "window_size_um": "a smaller --window_size_um",
    "image_size": "a smaller --image_size",
    "sw_batch_size": "a smaller --sw_batch_size",
    "num_workers": "fewer --num_workers",
}
FEWEST_SETTINGS = ("cache_rate", "patch_size", "sw_batch_size", "num_workers")


class InputError(ValueError):
    """A file or a setting that a person gave cannot be used.

    The text is one line: which file or setting, what is wrong with it, what to do. A run of a bundle ends with that
    line and exit status 1, without a traceback (`install_excepthook`).
    """


def find_input_error(error: BaseException | None) -> InputError | None:
    """Find the `InputError` behind an exception, or return None.

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
    """Yield an exception and the chain of its causes and contexts."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def in_one_line(error: BaseException, most: int = 150) -> str:
    """Return type and text of an exception of another package, cut to a number of letters."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) < most else text[: most - 3] + "..."


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


def error_line(error: BaseException, settings: Collection[str] = FEWEST_SETTINGS) -> str | None:
    """Put an error that a person can mend into one line, or return None for all others.

    Args:
        error: what was raised.
        settings: names of the run's settings; those that help are named where memory ran out.
    """
    if is_out_of_memory(error):
        return _memory_advice(error, settings)
    mistake = find_input_error(error)
    if mistake is not None:
        return str(mistake)
    for cause in causes_of(error):
        for pattern, advice in OUTSIDE_CAUSES.items():
            if found := re.search(pattern, str(cause)):
                return found.expand(advice)
    return _refused_argument(error)


def _memory_advice(error: BaseException, settings: Collection[str]) -> str:
    on_gpu = any(re.search("CUDA|CUBLAS|HIP|MPS", str(cause)) for cause in causes_of(error))
    helpful = [
        advice for name, advice in MEMORY_SETTINGS.items() if name in settings and not (on_gpu and "_rate" in name)
    ]
    sizes = (re.search(r"allocate ([\d.]+ ?\w*B|\d+ bytes)", str(cause)) for cause in causes_of(error))
    size = next((f" ({found[1]} more were asked for)" for found in sizes if found), "")
    where = "the GPU's memory" if on_gpu else "the memory"
    return f"{where} is too small{size}; use {', '.join([*helpful, 'or smaller images'])}."


def _refused_argument(error: BaseException) -> str | None:
    """Name the component of the configuration that refused its arguments, as constructors do with `ValueError`."""
    for cause in causes_of(error):
        found = re.match(r"Failed to instantiate component '([^']+)'", str(cause))
        if found and type(cause.__cause__) is ValueError and not isinstance(cause.__cause__.__cause__, Exception):
            reason = " ".join(str(cause.__cause__).split()).rstrip(".")
            return f"{found[1].split('.')[-1]}: {reason}; correct the settings that it is given."
    return None


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
