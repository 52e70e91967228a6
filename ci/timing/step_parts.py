"""Seconds and share of every part of a training's steps and epochs."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from ignite.engine import Engine, Events
from ignite.metrics import Metric
from monai.bundle import ConfigParser
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.handlers import ValidationHandler

from shared.errors import InputError
from shared.handlers import TrainingCheckpoint, TrainingLog, training_log

PHASES = {  # a step's own parts, by the event with which they begin
    Events.GET_BATCH_STARTED: "reading and transforms",
    Events.GET_BATCH_COMPLETED: "rest",
    Events.ITERATION_STARTED: "forward",
    IterationEvents.FORWARD_COMPLETED: "losses",
    IterationEvents.LOSS_COMPLETED: "backward",
    IterationEvents.BACKWARD_COMPLETED: "optimiser",
    IterationEvents.MODEL_COMPLETED: "rest",
}
OF_HANDLERS = {  # by their class
    Metric: "metrics",
    ValidationHandler: "validation",
    TrainingLog: "log",
    TrainingCheckpoint: "checkpoints",
}
OF_WORKFLOW = "metrics"  # MONAI's functions that take a batch apart and prepare it for the metrics
PARTS = (
    "reading and transforms",
    "forward",
    "losses",
    "loss terms for the log",
    "backward",
    "optimiser",
    "metrics",
    "validation",
    "log",
    "figures",
    "checkpoints",
    "rest",
)
HEAD = "| part | seconds a step | share (%) |\n|---|---:|---:|"


class Clock:
    """Seconds by part; what happens within another part counts once, for the inner one.

    On a CPU these are seconds of the processor, of this process with all its threads: other programs do not matter.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)
        self.part, self.since = "rest", self._now()

    def switch(self, part: str) -> str:
        """Count what follows for `part`, and return the part that it counted for before."""
        now, before = self._now(), self.part
        self.seconds[before] += now - self.since
        self.part, self.since = part, now
        return before

    def timed(self, part: str, function: Callable) -> Callable:
        """Return a function that does the same and counts for `part`."""

        @functools.wraps(function)
        def run(*arguments: Any, **options: Any) -> Any:
            before = self.switch(part)
            try:
                return function(*arguments, **options)
            finally:
                self.switch(before)

        return run

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return time.perf_counter()
        return time.process_time()


class TimedTrainer(SupervisedTrainer):
    """A trainer whose clock knows every part of its steps, and every handler.

    Args:
        clock: counts from the end of the warm-up on.
        warm_up: epochs that do not count.
        options: of `SupervisedTrainer`.
    """

    def __init__(self, clock: Clock, warm_up: int, **options: Any) -> None:
        self.clock, self.warm_up = clock, warm_up
        super().__init__(**options)
        for event, part in PHASES.items():
            super().add_event_handler(event, lambda engine, part=part: clock.switch(part))
        super().add_event_handler(Events.STARTED, self._begin)
        super().add_event_handler(Events.EPOCH_COMPLETED, self._end_epoch)

    def add_event_handler(self, event_name: Any, handler: Callable, *arguments: Any, **options: Any) -> Any:
        """Attach a handler that counts for the part of its class."""
        owner = getattr(handler, "__self__", handler)
        part = next((part for kind, part in OF_HANDLERS.items() if isinstance(owner, kind)), "rest")
        if getattr(handler, "__module__", "") == "monai.engines.workflow":
            part = OF_WORKFLOW
        return super().add_event_handler(event_name, self.clock.timed(part, handler), *arguments, **options)

    def _begin(self, engine: Engine) -> None:
        if self.warm_up == 0:
            self._start_counting()

    def _end_epoch(self, engine: Engine) -> None:
        """Keep what was counted until now; the end of a training (a last figure) is not in it."""
        self.clock.switch("rest")
        self.counted = dict(self.clock.seconds)
        if engine.state.epoch == self.warm_up:
            self._start_counting()

    def _start_counting(self) -> None:
        self.clock.switch("rest")
        self.clock.seconds.clear()


def parts_table(parser: ConfigParser, warm_up: int, repeats: int) -> str:
    """Train for some epochs, as the configuration says, and return the table of a step's parts.

    Args:
        parser: of the whole training; its curves and checkpoints go to a temporary folder.
        warm_up: epochs that do not count.
        repeats: epochs that count.

    Raises:
        InputError: there is no image.
    """
    clock = Clock(parser.get_parsed_content("device"))
    drawn = clock.timed("figures", training_log.draw_epoch_rows)
    read = clock.timed("loss terms for the log", TrainingLog._read_terms)
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        stack.enter_context(patch.object(training_log, "draw_epoch_rows", drawn))
        stack.enter_context(patch.object(TrainingLog, "_read_terms", read))
        parser["ckpt_dir"], parser["output_dir"] = f"{folder}/models", f"{folder}/eval"
        parser["train::trainer::_target_"] = functools.partial(TimedTrainer, clock, warm_up)
        trainer = parser.get_parsed_content("train::trainer")
        if not len(trainer.data_loader):
            raise InputError("SupervisedTrainer: no images; the training part needs some.")
        trainer.run()
    return table(trainer.counted, steps=repeats * len(trainer.data_loader))


def table(seconds: dict[str, float], steps: int) -> str:
    """Return a row per part that took any time, and their sum."""
    everything = sum(seconds.values())
    rows = [(part, seconds[part]) for part in PARTS if seconds.get(part)] + [("all", everything)]
    cells = [f"| {part} | {value / steps:.4f} | {100 * value / everything:.1f} |" for part, value in rows]
    return "\n".join([HEAD, *cells])
