"""Save a training so that it can be killed at any moment, and load what was saved."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from ..atomic_write import atomic_write, remove_leftovers, require_writable
from ..errors import InputError

__all__ = ["TrainingCheckpoint", "WeightsLoader"]


def _bare(module: Any) -> Any:
    """Return what DistributedDataParallel wraps, or the object itself."""
    return getattr(module, "module", module)


def _read(path: Path, remedy: str) -> Any:
    """Load a file of plain tensors onto the CPU."""
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; {remedy}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # each damaged byte raises something else: KeyError, IndexError, struct.error, ...
        raise InputError(f"{path}: not a readable checkpoint (truncated?); {remedy}") from error


def _save(content: Any, path: Path) -> None:
    """Write a checkpoint whole or not at all."""
    with atomic_write(path) as temporary:
        torch.save(content, temporary)


class TrainingCheckpoint:
    """Keep the best and the last weights, and all that a resumed training needs.

    Writes into `save_dir`, each file whole or not at all:

    - ``model.pt``: state dict of the network with the best validation score (the last one's, if nothing validates);
    - ``model_last.pt``: state dict of the network after the last epoch;
    - ``checkpoint.pt``: every object's state, the epoch, the best score, the AMP scaler.

    MONAI's `CheckpointSaver` writes in place, so that a killed run leaves a truncated file. Attach it after the
    handlers that change what it saves (scheduler, validation). Of several processes the first one writes.

    Args:
        save_dir: folder of the three files.
        objects: what has a state dict: must hold "network"; optimiser, scheduler, loss.
        evaluator: the validation engine, whose best score is kept.
        interval: every how many epochs ``checkpoint.pt`` is written; it is also written at the end, early or not.
        resume: start from ``checkpoint.pt``.
    """

    def __init__(
        self, save_dir: str, objects: Mapping[str, Any], evaluator: Engine, interval: int = 1, resume: bool = False
    ) -> None:
        self.folder = Path(save_dir)
        self.objects = objects
        self.evaluator = evaluator
        self.interval = interval
        self.resume = resume
        self.logger = logging.getLogger(type(self).__name__)

    def attach(self, engine: Engine) -> None:
        """Save from (and resume into) `engine`, MONAI's `SupervisedTrainer`."""
        engine.add_event_handler(Events.STARTED, self.sweep)
        if self.resume:
            engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)
        engine.add_event_handler(Events.COMPLETED, self.finish)

    def sweep(self, engine: Engine) -> None:
        """Remove what a training that was killed while it wrote left behind.

        Raises:
            InputError: the folder cannot be written, which would else show after the first epoch.
        """
        if engine.state.rank == 0:
            require_writable(self.folder)
            remove_leftovers(self.folder)

    def load(self, engine: Engine) -> None:
        """Restore everything from ``checkpoint.pt``.

        Raises:
            InputError: the file is missing, damaged, or of another training.
        """
        path = self.folder / "checkpoint.pt"
        saved = _read(path, "train without resume.json first.")
        try:
            for name, item in self.objects.items():
                _bare(item).load_state_dict(saved["objects"][name])
            if engine.scaler is not None:
                engine.scaler.load_state_dict(saved["scaler"])
            engine.state.epoch, engine.state.iteration = saved["epoch"], saved["iteration"]
            self.evaluator.state.best_metric = saved["best_metric"]
            self.evaluator.state.best_metric_epoch = saved["best_metric_epoch"]
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:100]
            raise InputError(
                f"{path}: belongs to another network or configuration ({reason}); resume with the settings that this "
                "training began with, or name its folder with --ckpt_dir."
            ) from error
        self.logger.info("Resumed after epoch %d.", engine.state.epoch)

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
        return _bare(self.objects["network"]).state_dict()

    def _save_all(self, engine: Engine) -> None:
        _save(
            {
                "objects": {name: _bare(item).state_dict() for name, item in self.objects.items()},
                "scaler": engine.scaler.state_dict() if engine.scaler is not None else {},
                "epoch": engine.state.epoch,
                "iteration": engine.state.iteration,
                "best_metric": float(self.evaluator.state.best_metric),
                "best_metric_epoch": self.evaluator.state.best_metric_epoch,
            },
            self.folder / "checkpoint.pt",
        )


class WeightsLoader:
    """Load a network's weights when an evaluation or inference starts.

    Like `monai.handlers.CheckpointLoader` with ``strict``, but in plain words where it fails.

    Args:
        load_path: a state dict, or a dictionary that holds one under "model" or "state_dict".
        network: to load into.
    """

    def __init__(self, load_path: str, network: torch.nn.Module) -> None:
        self.path = Path(load_path)
        self.network = network

    def attach(self, engine: Engine) -> None:
        """Load when `engine` starts."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine | None = None) -> None:
        """Load now.

        Raises:
            InputError: the file is missing, damaged, or fits another network.
        """
        saved = _read(self.path, "train first, or name one with --ckpt_path.")
        weights = saved.get("model", saved.get("state_dict", saved)) if isinstance(saved, dict) else {}
        weights = weights if isinstance(weights, dict) else {}
        found = {name: getattr(value, "shape", "no tensor") for name, value in weights.items()}
        expected = {name: value.shape for name, value in _bare(self.network).state_dict().items()}
        different = {str(name) for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)}
        if different:
            raise InputError(
                f"{self.path}: weights of another network: {len(different)} of {len(expected)} entries are missing, "
                f"superfluous or of another shape, e.g. {min(different)!r}; use this bundle's own checkpoint."
            )
        _bare(self.network).load_state_dict(weights)
        logging.getLogger(type(self).__name__).info("Loaded %s.", self.path)
