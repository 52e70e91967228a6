"""End a training that no longer gets better."""

from __future__ import annotations

import logging

from ignite.engine import Engine, Events

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """End the training when the best validation is `patience_epochs` epochs old.

    Unlike MONAI's `EarlyStopHandler` it counts nothing itself but asks the evaluator for the epoch of its best score,
    which `TrainingCheckpoint` restores: a resumed training stops where an unbroken one would. Attach it after the
    `ValidationHandler`, and on all of several processes.

    Args:
        evaluator: the validation engine, with a key metric.
        patience_epochs: epochs of training, not validations. None: the training never ends early.
    """

    def __init__(self, evaluator: Engine, patience_epochs: int | None) -> None:
        if patience_epochs is not None and patience_epochs < 1:
            raise ValueError(f"patience_epochs must be 1 or more, got {patience_epochs}.")
        self.evaluator = evaluator
        self.patience_epochs = patience_epochs
        self.logger = logging.getLogger(type(self).__name__)

    def attach(self, engine: Engine) -> None:
        """Stop `engine`, MONAI's `SupervisedTrainer`."""
        if self.patience_epochs is not None:
            engine.add_event_handler(Events.EPOCH_STARTED, self.before_epoch)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def before_epoch(self, engine: Engine) -> None:
        """Stop a training that was resumed after it had stopped early."""
        self._stop(engine, engine.state.epoch - 1)

    def __call__(self, engine: Engine) -> None:
        """Stop if it is time."""
        self._stop(engine, engine.state.epoch)

    def _stop(self, engine: Engine, epoch: int) -> None:
        best = self.evaluator.state.best_metric_epoch
        if best == -1 or epoch - best < self.patience_epochs:
            return
        self.logger.info("Stopped after epoch %d: the best one was epoch %d.", epoch, best)
        engine.terminate()
