"""Load a network's weights when an evaluation or inference starts."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from ..errors import InputError
from .model_settings import compare_model_settings, plain, read_model_settings
from .state_dict_file import bare, find_weights, load_tensors, read_file

__all__ = ["WeightsLoader"]


class WeightsLoader:
    """Load weights, refuse those of another network or of other settings, and note for every case what was loaded.

    Like `monai.handlers.CheckpointLoader` with ``strict``. In addition, see `find_weights` for prefixes and wrappers
    and `compare_model_settings` for settings. Every batch gets "weights", a JSON text for the record that
    `SaveImageCased` and `SavePictureCased` write: file, sha256 of its bytes, settings.

    Args:
        load_path: a state dict, or a dictionary that holds one.
        network: to load into. Weights of another precision are converted to the network's.
        settings: settings of this run that must be those of the training.
        may_differ: names of settings that differ on purpose.
    """

    remedy = "train first, or name one with --ckpt_path."

    def __init__(
        self,
        load_path: str,
        network: torch.nn.Module,
        settings: Mapping[str, Any] | None = None,
        may_differ: Sequence[str] | str = (),
    ) -> None:
        self.path = Path(str(load_path))
        self.network = network
        self.settings = dict(settings or {})
        self.may_differ = [may_differ] if isinstance(may_differ, str) else list(may_differ)
        self.note = ""
        self.logger = logging.getLogger(type(self).__name__)

    def attach(self, engine: Engine) -> None:
        """Load when `engine` starts, and note the weights with every batch."""
        engine.add_event_handler(Events.STARTED, self)
        engine.add_event_handler(Events.ITERATION_STARTED, self.note_weights)

    def note_weights(self, engine: Engine) -> None:
        """Add the note to a batch that is a dictionary."""
        if isinstance(engine.state.batch, dict):
            engine.state.batch["weights"] = self.note

    def __call__(self, engine: Engine | None = None) -> None:
        """Load now.

        Raises:
            InputError: the file is missing, damaged, fits another network, was trained with other settings, or holds
                numbers that are not finite.
        """
        content = read_file(self.path, self.remedy)
        network = bare(self.network)
        found = find_weights(load_tensors(content, self.path, self.remedy), network.state_dict(), self.path)
        compare_model_settings(self.path, read_model_settings(found.metadata), self.settings, self.may_differ)
        for name, value in found.weights.items():
            if value.is_floating_point() and not value.float().isfinite().all():
                raise InputError(f"{self.path}: {name!r} holds numbers that are not finite; use other weights.")
        network.load_state_dict(found.weights)
        digest = hashlib.sha256(content).hexdigest()
        self.note = json.dumps({"file": str(self.path), "sha256": digest, "settings": plain(self.settings)})
        self.logger.info("Loaded %s%s.", self.path, _origin(found.place, found.prefix))
        if found.left_out:
            count, first = len(found.left_out), found.left_out[0]
            self.logger.warning(
                "%s: %d entries are not of this network and left out, e.g. %s.", self.path, count, first
            )


def _origin(place: str, prefix: str) -> str:
    parts = [f"under {place!r}"] if place else []
    parts += [f"prefix {prefix!r} taken off"] if prefix else []
    return f" ({', '.join(parts)})" if parts else ""
