"""Keep what an evaluation finds, case by case, for a table that is written at its end."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from ignite.engine import Engine, Events

from ..atomic_write import require_writable

__all__ = ["EvaluationWriter"]

Case = TypeVar("Case")


class EvaluationWriter(ABC, Generic[Case]):
    """Base of the tables of an evaluation: `score` is called for every case, `write` after the last one.

    Args:
        output_dir: folder for the files.
        title: heading of the Markdown and of the pictures.
        notes: sentences below the Markdown's summary, such as where the labels come from.
    """

    def __init__(self, output_dir: str, title: str, notes: Sequence[str]) -> None:
        self.folder = Path(output_dir)
        self.title = title
        self.notes = notes
        self.cases: list[Case] = []
        self.logger = logging.getLogger(type(self).__name__)

    def attach(self, engine: Engine) -> None:
        """Collect on `engine`, MONAI's `SupervisedEvaluator`; metrics that `write` reads must be attached before."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.write)

    def start(self, engine: Engine) -> None:
        """Forget an earlier run's cases.

        Raises:
            InputError: the folder cannot be written, which would else show after the last case.
        """
        self.cases = []
        if engine.state.rank == 0:
            require_writable(self.folder)

    def collect(self, engine: Engine) -> None:
        """Score the cases of a batch."""
        self.cases += [self.score(*pair) for pair in zip(engine.state.batch, engine.state.output, strict=True)]

    @abstractmethod
    def score(self, item: Mapping[str, Any], result: Mapping[str, Any]) -> Case:
        """Return what `write` needs of a case: an item of the batch, and what the postprocessing left of its output."""

    @abstractmethod
    def write(self, engine: Engine) -> None:
        """Write the files, of all processes' cases, on the first process."""
