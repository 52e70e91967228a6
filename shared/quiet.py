"""Silence what other packages log and warn of."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]


@contextmanager
def quiet(*loggers: str, message: str = "") -> Iterator[None]:
    """Hide what loggers say below an error, and warnings. Errors are raised as ever.

    Args:
        loggers: their names.
        message: only warnings that begin with this (a regular expression); by default all.
    """
    levels = {logger: logger.level for logger in map(logging.getLogger, loggers)}
    try:
        for logger in levels:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
