"""Put an error that a person can mend into one line."""

from __future__ import annotations

import re
from collections.abc import Collection

from .input_error import causes_of, find_input_error
from .outside_causes import OUTSIDE_CAUSES, is_out_of_memory

__all__ = ["FEWEST_SETTINGS", "error_line"]

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
