"""Report how far an evaluation or inference is and how long it will take."""

from __future__ import annotations

import logging
import time
from collections.abc import Sized

from ignite.engine import Engine, Events

__all__ = ["CaseProgress", "in_words"]


def in_words(seconds: float) -> str:
    """Write a duration as "1 h 02 min", "3 min 20 s" or "12 s"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


class CaseProgress:
    """One line per case of an evaluation or inference: number, name, time left.

    Args:
        dataset: the cases. Of a `CaseStream`, which has no length of its own and may share them with other processes,
            "data" are counted, and "cases_left".
    """

    def __init__(self, dataset: Sized) -> None:
        self.dataset = dataset
        self.logger = logging.getLogger("progress")

    def attach(self, engine: Engine) -> None:
        """Report on `engine`, an evaluator that takes one case at a time."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.report)

    def start(self, engine: Engine) -> None:
        """Note when the run starts."""
        self.started = time.monotonic()
        self.total = len(getattr(self.dataset, "data", self.dataset)) - len(getattr(self.dataset, "finished", ()))

    def report(self, engine: Engine) -> None:
        """Log the line."""
        cases_left = getattr(self.dataset, "cases_left", self.total - engine.state.iteration)
        done = self.total - cases_left
        left = (time.monotonic() - self.started) / done * cases_left
        self.logger.info(f"case {done}/{self.total}: {engine.state.batch[0].get('case', '')}; {in_words(left)} left")
