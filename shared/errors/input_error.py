"""The error that a person who runs a bundle is meant to read, and how it is found behind others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["InputError", "causes_of", "find_input_error", "in_one_line", "input_errors_unwrapped"]


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


@contextmanager
def input_errors_unwrapped() -> Iterator[None]:
    """Raise an `InputError` itself, not the exception in which MONAI wraps it."""
    try:
        yield
    except Exception as error:
        mistake = find_input_error(error)
        if mistake is None or mistake is error:
            raise
        raise mistake from error


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
