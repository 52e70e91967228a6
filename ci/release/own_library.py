"""Import the code of a packed bundle for a while."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["own_library"]


@contextmanager
def own_library(name: str) -> Iterator[None]:
    """Import a packed bundle's `<name>_lib` anew, and forget its modules and its place on `sys.path` at the end.

    Another packing of the same bundle would get this one's code otherwise.

    Args:
        name: of the bundle.
    """
    path = [*sys.path]
    _forget(f"{name}_lib")
    try:
        yield
    finally:
        sys.path[:] = path
        _forget(f"{name}_lib")


def _forget(package: str) -> None:
    for module in [module for module in sys.modules if module.split(".")[0] == package]:
        del sys.modules[module]
