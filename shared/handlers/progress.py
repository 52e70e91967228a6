"""Say how far a run is and how long it will take."""

from __future__ import annotations

import logging
import time

from ignite.engine import Engine, Events

__all__ = ["CaseProgress", "EpochProgress"]


def in_words(seconds: float) -> str:
    """Write a duration as "1 h 02 min", "3 min 20 s" or "12 s"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


class EpochProgress:
    """One line per epoch of training: mean loss, validation scores where there are new ones, time left.

    Args:
        evaluator: the validation engine, whose newest metrics are shown after it ran.
        interval: every how many epochs; the last one is always told.
    """

    def __init__(self, evaluator: Engine, interval: int = 1) -> None:
        self.evaluator = evaluator
        self.interval = interval
        self.logger = logging.getLogger("progress")

    def attach(self, engine: Engine) -> None:
        """Report on `engine`, a trainer whose output holds "loss"."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_STARTED, self.start_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.report)

    def start(self, engine: Engine) -> None:
        """Note when and where the run starts: a resumed one does not start at epoch 0."""
        self.started, self.first_epoch = time.monotonic(), engine.state.epoch
        self.validated_epoch = self.evaluator.state.epoch

    def start_epoch(self, engine: Engine) -> None:
        """Forget the last epoch's losses."""
        self.losses: list[float] = []

    def add(self, engine: Engine) -> None:
        """Add one iteration's loss."""
        self.losses.append(float(engine.state.output[0]["loss"]))

    def report(self, engine: Engine) -> None:
        """Log the line."""
        epoch, epochs = engine.state.epoch, engine.state.max_epochs
        scores = ""
        if self.evaluator.state.epoch != self.validated_epoch:
            self.validated_epoch = self.evaluator.state.epoch
            scores = "".join(f", {name} {value:.4f}" for name, value in self.evaluator.state.metrics.items())
        if scores or epoch % self.interval == 0 or epoch == epochs:
            seconds = (time.monotonic() - self.started) / (epoch - self.first_epoch)
            self.logger.info(
                f"epoch {epoch}/{epochs}: loss {sum(self.losses) / len(self.losses):.4f}{scores}; "
                f"{in_words(seconds * (epochs - epoch))} left"
            )


class CaseProgress:
    """One line per case of an evaluation or inference: number, name, time left.

    Args:
        total: number of cases.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.logger = logging.getLogger("progress")

    def attach(self, engine: Engine) -> None:
        """Report on `engine`, an evaluator that takes one case at a time."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.report)

    def start(self, engine: Engine) -> None:
        """Note when the run starts."""
        self.started = time.monotonic()

    def report(self, engine: Engine) -> None:
        """Log the line."""
        done = engine.state.iteration
        left = (time.monotonic() - self.started) / done * (self.total - done)
        self.logger.info(f"case {done}/{self.total}: {engine.state.batch[0].get('case', '')}; {in_words(left)} left")
