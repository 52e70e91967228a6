"""Log what a composed loss is made of."""

from __future__ import annotations

from collections import defaultdict

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch.utils.tensorboard import SummaryWriter

__all__ = ["LossTerms", "write_epoch_scalars"]


class LossTerms:
    """Average the terms of a loss over an epoch, as `engine.state.loss_terms`.

    The terms are computed again, without gradient, from the iteration's logits and target.

    Args:
        loss: has `terms(logits, target) -> dict[str, Tensor]`, scalars (`ParetoFuzzyLoss`), bare or wrapped in
            DistributedDataParallel; a NaN (a class that is not in the batch) is left out of the average.
        interval: every how many iterations.
    """

    def __init__(self, loss: torch.nn.Module, interval: int = 1) -> None:
        self.loss = getattr(loss, "module", loss)
        self.interval = interval
        self.seen: dict[str, list[float]] = defaultdict(list)

    def attach(self, engine: Engine) -> None:
        """Collect on `engine`, MONAI's `SupervisedTrainer`."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.average)

    def start(self, engine: Engine) -> None:
        """Forget the last epoch."""
        self.seen.clear()

    @torch.no_grad()
    def collect(self, engine: Engine) -> None:
        """Add one iteration's terms: an epoch's first, then every `interval`-th after it."""
        if (engine.state.iteration - 1) % engine.state.epoch_length % self.interval:
            return
        for name, value in self.loss.terms(engine.state.output["pred"], engine.state.output["label"]).items():
            if not torch.isnan(value):
                self.seen[name].append(value.item())

    def average(self, engine: Engine) -> None:
        """Leave the epoch's means in `engine.state.loss_terms`."""
        engine.state.loss_terms = {name: sum(values) / len(values) for name, values in self.seen.items()}


def write_epoch_scalars(engine: Engine, writer: SummaryWriter) -> None:
    """Write an epoch's metrics and loss terms to TensorBoard (`epoch_event_writer` of MONAI's handler)."""
    for name, value in (engine.state.metrics | getattr(engine.state, "loss_terms", {})).items():
        writer.add_scalar(name, value, engine.state.epoch)
