"""Report the course of a training: a line per epoch, a table, a figure and TensorBoard events."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import torch.distributed as dist
from ignite.engine import Engine, Events
from monai.utils import is_scalar
from torch import Tensor, nn

from ..losses.loss_terms import LossWithTerms
from ..networks.unwrap import unwrap
from ..reports.epoch_rows import Row, draw_epoch_rows, read_epoch_rows, write_epoch_rows
from .case_progress import in_words

__all__ = ["TrainingLog"]


class TrainingLog:
    """Write what a user follows while a network is trained.

    - a line of the log per epoch: mean loss, validation scores where there are new ones, time left;
    - ``curves.csv``, a row per epoch, and ``curves.png``, a panel per column: "loss", "validation_<metric>" in epochs
      that validated, every term of the loss, "learning_rate" of the epoch's last step;
    - TensorBoard events: the loss of every iteration; per epoch the metrics of training and validation, the terms.

    Terms are means over an epoch's iterations, taken from the forward pass that the training makes; a NaN is left out.
    A resumed training keeps the rows below the epoch at which it goes on, a new one begins a new table. Of several
    processes the first one writes. Attach it after the `ValidationHandler`, and before what saves checkpoints.

    Args:
        loss: the training's loss, bare or wrapped in DistributedDataParallel.
        evaluator: the validation engine.
        output_dir: folder for table, figure and events.
        line_interval_epochs: how often the line is written; epochs that validated and the last one always have one.
        term_interval_iterations: how often the terms are read, which makes a GPU wait; an epoch's first iteration
            always counts.
        figure_interval_epochs: how often the figure is drawn; it is also drawn at the end.
    """

    def __init__(
        self,
        loss: LossWithTerms | nn.Module,
        evaluator: Engine,
        output_dir: str,
        line_interval_epochs: int = 1,
        term_interval_iterations: int = 1,
        figure_interval_epochs: int = 10,
    ) -> None:
        self.loss: LossWithTerms = unwrap(loss)
        self.evaluator = evaluator
        self.folder = Path(output_dir)
        self.line_interval = line_interval_epochs
        self.term_interval = term_interval_iterations
        self.figure_interval = figure_interval_epochs
        self.logger = logging.getLogger("progress")

    def attach(self, engine: Engine) -> None:
        """Follow `engine`, MONAI's `SupervisedTrainer`."""
        if dist.is_available() and dist.is_initialized() and dist.get_rank() > 0:
            return
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_STARTED, self.start_epoch)
        engine.add_event_handler(Events.ITERATION_STARTED, self.start_iteration)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.complete_iteration)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.complete_epoch)
        engine.add_event_handler(Events.COMPLETED, self.complete)

    def start(self, engine: Engine) -> None:
        """Open the events, and listen to the loss."""
        from torch.utils.tensorboard import SummaryWriter

        self.rows: list[Row] | None = None
        self.reads_terms = False
        self.events = SummaryWriter(log_dir=str(self.folder))
        self.listening = self.loss.total.register_forward_pre_hook(self._read_terms)
        self.validated_epoch = self.evaluator.state.epoch

    def start_epoch(self, engine: Engine) -> None:
        """Begin to average; before the first epoch, fetch what an interrupted training left."""
        self.losses: list[float] = []
        self.terms: dict[str, list[float]] = defaultdict(list)
        if self.rows is None:  # only now, since a checkpoint may set the epoch when the run starts
            self.rows = read_epoch_rows(self.folder / "curves.csv", below=engine.state.epoch)
            self.started, self.epochs_before = time.monotonic(), engine.state.epoch - 1

    def start_iteration(self, engine: Engine) -> None:
        """Decide whether this iteration's terms are read."""
        self.reads_terms = (engine.state.iteration - 1) % engine.state.epoch_length % self.term_interval == 0

    def _read_terms(self, total: nn.Module, arguments: tuple[Mapping[str, Tensor]]) -> None:
        """Keep the terms that the loss is about to sum."""
        if self.reads_terms:
            values = {name: value.item() for name, value in arguments[0].items()}
            for name, value in values.items():
                if value == value:  # not NaN
                    self.terms[name].append(value)

    def complete_iteration(self, engine: Engine) -> None:
        """Add one iteration's loss."""
        loss = float(engine.state.output[0]["loss"])
        self.losses.append(loss)
        self.events.add_scalar("train_loss", loss, engine.state.iteration)
        self.learning_rate = engine.optimizer.param_groups[0]["lr"]

    def complete_epoch(self, engine: Engine) -> None:
        """Write the epoch's line, row and events, and the figure when it is due."""
        epoch, loss = engine.state.epoch, _mean(self.losses)
        validated = self.evaluator.state.epoch != self.validated_epoch
        self.validated_epoch = self.evaluator.state.epoch
        metrics = self.evaluator.state.metrics if validated else {}
        scores = {name: float(value) for name, value in metrics.items() if is_scalar(value)}
        terms = {name: _mean(values) for name, values in self.terms.items()}
        self._write_line(engine, loss, scores)
        validation = {f"validation_{name}": value for name, value in scores.items()}
        self.rows.append({"epoch": epoch, "loss": loss, **validation, **terms, "learning_rate": self.learning_rate})
        write_epoch_rows(self.folder / "curves.csv", self.rows, _columns(self.rows))
        for name, value in (engine.state.metrics | scores | terms).items():
            self.events.add_scalar(name, value, epoch)
        self.events.flush()
        if epoch % self.figure_interval == 0:
            self._draw()

    def complete(self, engine: Engine) -> None:
        """Draw the figure and close the events."""
        self.listening.remove()
        self.events.close()
        self._draw()

    def _write_line(self, engine: Engine, loss: float, scores: Mapping[str, float]) -> None:
        epoch, epochs = engine.state.epoch, engine.state.max_epochs
        if scores or epoch % self.line_interval == 0 or epoch == epochs:
            seconds = (time.monotonic() - self.started) / (epoch - self.epochs_before)
            values = "".join(f", {name} {value:.4f}" for name, value in scores.items())
            self.logger.info(
                f"epoch {epoch}/{epochs}: loss {loss:.4f}{values}; {in_words(seconds * (epochs - epoch))} left"
            )

    def _draw(self) -> None:
        if self.rows:
            draw_epoch_rows(self.folder / "curves.png", self.rows, _columns(self.rows))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _columns(rows: list[Row]) -> list[str]:
    """Every column but the epoch: loss, validation, the loss's terms, learning rate; each in order of appearance."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "epoch"))
    place = {"loss": 0, "learning_rate": 3}
    return sorted(names, key=lambda name: place.get(name, 1 if name.startswith("validation_") else 2))
