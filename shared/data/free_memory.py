"""How much memory a process may still take, and how much a prepared case takes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

__all__ = ["free_memory_bytes", "size_in_bytes"]

CONTROL_GROUPS = (  # limit and use, of both generations
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def free_memory_bytes() -> int | None:
    """Return the least that machine, container and process limit leave; None where none of them says.

    Read from Linux's /proc/meminfo (MemAvailable), the control group, and the limit of address space (`ulimit -v`).
    """
    left = [_available()] + [_left_in_group(*files) for files in CONTROL_GROUPS] + [_left_of_address_space()]
    return min((number for number in left if number is not None), default=None)


def size_in_bytes(item: Any) -> int:
    """Return what the tensors and arrays of an item take, however they are nested."""
    if isinstance(item, Tensor):
        return item.element_size() * item.nelement()
    if isinstance(item, np.ndarray):
        return item.nbytes
    if isinstance(item, Mapping):
        return sum(map(size_in_bytes, item.values()))
    if isinstance(item, (list, tuple)):
        return sum(map(size_in_bytes, item))
    return 0


def _available() -> int | None:
    lines = _words("/proc/meminfo", "MemAvailable:")
    return int(lines[1]) * 1024 if lines else None


def _left_in_group(limit_file: str, use_file: str) -> int | None:
    limit, use = _words(limit_file), _words(use_file)
    return max(0, int(limit[0]) - int(use[0])) if limit and use and limit[0].isdigit() else None


def _left_of_address_space() -> int | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _words("/proc/self/statm")
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return max(0, limit - int(pages[0]) * os.sysconf("SC_PAGE_SIZE"))


def _words(file: str, start: str = "") -> list[str]:
    """Return the words of the first line that begins so; none where there is no such file."""
    try:
        lines = Path(file).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return next((line.split() for line in lines if line.startswith(start)), [])
