"""The fastest of several runs."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["best_seconds"]


def best_seconds(*functions: Callable[[], object], repeats: int) -> list[float]:
    """Time functions in turn, after one warm-up each, and give each one's fastest run in seconds."""
    for function in functions:
        function()
    fastest = [float("inf")] * len(functions)
    for _ in range(repeats):
        for number, function in enumerate(functions):
            start = time.perf_counter()
            function()
            fastest[number] = min(fastest[number], time.perf_counter() - start)
    return fastest
