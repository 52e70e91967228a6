"""Save a training so that it can be killed at any moment, and resume it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch.optim import Optimizer

from ..atomic_write import atomic_write, remove_leftovers, require_writable
from ..errors import InputError
from ..networks.unwrap import unwrap
from .model_settings import with_model_settings
from .resume_schedule import different_hyperparameter, hyperparameters, replay_schedule, schedule_differs
from .run_settings import compare_run_settings, run_settings
from .state_dict_file import load_tensors, read_file

__all__ = ["TrainingCheckpoint"]


def _save(content: Any, path: Path) -> None:
    """Write a checkpoint whole or not at all."""
    with atomic_write(path) as temporary:
        torch.save(content, temporary)


class TrainingCheckpoint:
    """Keep the best and the last weights, and all that a resumed training needs.

    Writes into `save_dir`, each file whole or not at all:

    - ``model.pt``: state dict of the network with the best validation score (the last one's, if nothing validates);
    - ``model_last.pt``: state dict of the network after the last epoch;
    - ``checkpoint.pt``: every object's state, the epoch, the best score, the AMP scaler, all settings of the training.

    Resuming with other settings is refused, except for those in `run_settings.FREE` (paths, hardware, intervals). The
    number of epochs may grow: then the learning rate's schedule is rebuilt for the new end and replayed up to the
    epoch of the checkpoint. Schedules that depend on the epoch alone (lambda, warm-up) follow the new end as well.

    MONAI's `CheckpointSaver` writes in place: a killed run leaves a truncated file. Attach this handler after those
    that change what it saves (scheduler, validation). With several processes the first one writes.

    Args:
        save_dir: folder of the three files.
        objects: name to an object with a state dict: "network", and optimiser, scheduler, loss.
        evaluator: the validation engine, whose best score is kept.
        interval: every how many epochs ``checkpoint.pt`` is written; it is also written at the end, early or not.
        resume: start from ``checkpoint.pt``.
        settings: settings that inference must share with the training; stored with the weights.
    """

    def __init__(
        self,
        save_dir: str,
        objects: Mapping[str, Any],
        evaluator: Engine,
        interval: int = 1,
        resume: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(save_dir)
        self.objects = objects
        self.evaluator = evaluator
        self.interval = interval
        self.resume = resume
        self.settings = settings
        self.run_settings: dict[str, Any] = {}
        self.logger = logging.getLogger(type(self).__name__)

    def attach(self, engine: Engine) -> None:
        """Save from (and resume into) `engine`, MONAI's `SupervisedTrainer`."""
        engine.add_event_handler(Events.STARTED, self.sweep)
        if self.resume:
            engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)
        engine.add_event_handler(Events.COMPLETED, self.finish)

    def sweep(self, engine: Engine) -> None:
        """Collect the settings, and remove what a training that was killed while it wrote left behind.

        Raises:
            InputError: the folder cannot be written, which would else show after the first epoch.
        """
        self.run_settings = run_settings(engine)
        if engine.state.rank == 0:
            require_writable(self.folder)
            remove_leftovers(self.folder)

    def load(self, engine: Engine) -> None:
        """Restore everything from ``checkpoint.pt``.

        Raises:
            InputError: the file is missing, damaged, or of another training.
        """
        path = self.folder / "checkpoint.pt"
        remedy = "train without resume.json first."
        saved = load_tensors(read_file(path, remedy), path, remedy)
        before = saved.get("run_settings") if isinstance(saved, dict) else None
        if before:
            compare_run_settings(path, before, self.run_settings)
        try:
            new_schedules = self._load_objects(path, saved["objects"])
            if engine.scaler is not None and saved["scaler"]:
                engine.scaler.load_state_dict(saved["scaler"])
            engine.state.epoch, engine.state.iteration = saved["epoch"], saved["iteration"]
            self.evaluator.state.best_metric = saved["best_metric"]
            self.evaluator.state.best_metric_epoch = saved["best_metric_epoch"]
        except InputError:
            raise
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:100]
            raise InputError(
                f"{path}: belongs to another network or configuration ({reason}); resume with the settings that this "
                "training began with, or name its folder with --ckpt_dir."
            ) from error
        done, end = engine.state.epoch, engine.state.max_epochs
        if done > end:
            raise InputError(f"{path}: {done} epochs are done, --max_epochs {end} is fewer; give more.")
        self._report(engine, path, before, new_schedules)

    def _load_objects(self, path: Path, saved: Mapping[str, Any]) -> bool:
        """Load every object; return whether a schedule was rebuilt, since its settings are not those of the file."""
        optimizer = next((item for item in self.objects.values() if isinstance(item, Optimizer)), None)
        fresh = [] if optimizer is None else hyperparameters(optimizer)
        rebuilt = []
        for name, item in self.objects.items():
            if schedule_differs(saved[name], item):
                rebuilt.append(name)
                continue
            if item is optimizer:
                has_schedule = any(hasattr(other, "last_epoch") for other in self.objects.values())
                if found := different_hyperparameter(saved[name]["param_groups"], fresh, has_schedule):
                    raise InputError(f"{path}: {found}; resume with the former value, or train anew.")
            unwrap(item).load_state_dict(saved[name])
        for name in rebuilt:  # after the optimiser
            replay_schedule(self.objects[name], fresh, steps=saved[name]["last_epoch"])
        return bool(rebuilt)

    def _report(self, engine: Engine, path: Path, before: Mapping[str, Any] | None, new_schedules: bool) -> None:
        """Say where the training goes on, and what has changed."""
        epoch, end = engine.state.epoch, engine.state.max_epochs
        if not before:
            self.logger.warning("%s does not store its training's settings; check that they are the same.", path)
        done = "; all epochs are done, a larger --max_epochs goes on" if epoch == end else ""
        self.logger.info("Resumed after epoch %d%s.", epoch, done)
        if new_schedules or (before and before["max_epochs"] != end):
            was = f"max_epochs was {before['max_epochs']}, is {end}" if before else f"max_epochs is {end}"
            what = "all schedules are rebuilt for the new end" if new_schedules else "the training ends later"
            rate = engine.optimizer.param_groups[0]["lr"]
            self.logger.info("%s: %s; the learning rate of epoch %d is %.6g.", was, what, epoch + 1, rate)

    def save(self, engine: Engine) -> None:
        """Write the best weights if this epoch's are, and the checkpoint when it is due."""
        epoch = engine.state.epoch
        if engine.state.rank > 0:
            return
        if self.evaluator.state.best_metric_epoch == epoch:
            _save(self._weights(), self.folder / "model.pt")
        if epoch % self.interval == 0 or epoch == engine.state.max_epochs or engine.should_terminate:
            self._save_all(engine)

    def finish(self, engine: Engine) -> None:
        """Write the last weights; they are also the best where nothing was validated."""
        if engine.state.rank > 0:
            return
        _save(self._weights(), self.folder / "model_last.pt")
        if self.evaluator.state.best_metric_epoch == -1:
            _save(self._weights(), self.folder / "model.pt")

    def _weights(self) -> dict[str, torch.Tensor]:
        weights = unwrap(self.objects["network"]).state_dict()
        return weights if self.settings is None else with_model_settings(weights, self.settings)

    def _save_all(self, engine: Engine) -> None:
        _save(
            {
                "objects": {
                    **{name: unwrap(item).state_dict() for name, item in self.objects.items()},
                    "network": self._weights(),
                },
                "run_settings": self.run_settings,
                "scaler": engine.scaler.state_dict() if engine.scaler is not None else {},
                "epoch": engine.state.epoch,
                "iteration": engine.state.iteration,
                "best_metric": float(self.evaluator.state.best_metric),
                "best_metric_epoch": self.evaluator.state.best_metric_epoch,
            },
            self.folder / "checkpoint.pt",
        )
