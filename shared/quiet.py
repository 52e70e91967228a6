"""Silence what other packages log and warn of."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

_lock = threading.Lock()
_hidden: dict[str, tuple[int, int]] = {}  # logger to how many hide it now, and the level that it gets back


@contextmanager
def quiet(*loggers: str, message: str = "") -> Iterator[None]:
    """Hide what loggers say below an error, and warnings. Errors are raised as ever.

    Args:
        loggers: their names.
        message: only warnings that begin with this (a regular expression); by default all.
    """
    for logger in loggers:
        _hide(logger)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger in loggers:
            _show(logger)


def _hide(logger: str) -> None:
    with _lock:
        times, level = _hidden.get(logger, (0, logging.getLogger(logger).level))
        _hidden[logger] = times + 1, level
        logging.getLogger(logger).setLevel(logging.ERROR)


def _show(logger: str) -> None:
    """Give a logger its level back, unless another thread still hides it."""
    with _lock:
        times, level = _hidden.pop(logger)
        if times > 1:
            _hidden[logger] = times - 1, level
        else:
            logging.getLogger(logger).setLevel(level)
