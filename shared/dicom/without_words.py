"""Keep values of tags out of the log."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["without_words"]

LOGGERS = ("pydicom", "highdicom")


@contextmanager
def without_words() -> Iterator[None]:
    """Silence the warnings and notes of pydicom and highdicom, which quote values, such as the name of the patient.

    Errors are raised as ever.
    """
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
