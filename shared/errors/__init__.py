"""The errors that a person who runs a bundle is meant to read, and how a run ends on one."""

from .error_line import error_line
from .excepthook import install_excepthook
from .input_error import InputError, find_input_error, in_one_line, input_errors_unwrapped
from .outside_causes import ends_the_run

__all__ = [
    "InputError",
    "ends_the_run",
    "error_line",
    "find_input_error",
    "in_one_line",
    "input_errors_unwrapped",
    "install_excepthook",
]
