"""The one exception that a person who runs a bundle is meant to read."""

from __future__ import annotations

import re

__all__ = ["InputError", "find_input_error"]


class InputError(ValueError):
    """A file or a setting that a person gave cannot be used.

    The text is one line: which file or setting, what is wrong with it, what to do. A run of a bundle ends with that
    line and exit status 1, without a traceback (`shared.handlers.install_one_line_errors`).
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
