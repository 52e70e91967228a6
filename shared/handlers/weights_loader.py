"""Load a network's weights when an evaluation or inference starts."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from ..errors import InputError
from ..networks.exported_network import ExportedNetwork
from ..networks.unwrap import unwrap
from .find_weights import find_weights
from .model_settings import TRAINED_ON, compare_model_settings, plain, read_model_settings
from .state_dict_file import load_tensors, read_file

__all__ = ["WeightsLoader"]


class WeightsLoader:
    """Load weights, refuse those of another network or of other settings, and note for every case what was loaded.

    Like `monai.handlers.CheckpointLoader` with ``strict``. In addition, see `find_weights` for prefixes and wrappers
    and `compare_model_settings` for settings. Every batch gets "weights", a JSON text for the record that
    `SaveImageCased` and `SavePictureCased` write: file, sha256 of its bytes, what it was trained on if the file says
    so, settings.

    An `ExportedNetwork` takes a `.pt2` or `.onnx` file in place of weights, with the settings that the file stores.

    Several files are an ensemble: each gets a network of its own, `networks`, for `AveragedInferer`.

    Args:
        load_path: a state dict, or a dictionary that holds one; or a list of such files, all for one network.
        network: to load into. Weights of another precision are converted to the network's.
        settings: settings of this run that must be those of the training.
        may_differ: names of settings that differ on purpose.
        ensemble: several files are allowed, since the run averages what the networks say.

    Raises:
        InputError: no file, a file twice, or several files where `ensemble` is False.
    """

    remedy = "train first, or name one with --ckpt_path."

    def __init__(
        self,
        load_path: str | Sequence[str],
        network: torch.nn.Module,
        settings: Mapping[str, Any] | None = None,
        may_differ: Sequence[str] | str = (),
        ensemble: bool = False,
    ) -> None:
        files = [load_path] if isinstance(load_path, (str, os.PathLike)) else list(load_path)
        self.paths = [Path(str(file)) for file in files]
        if not self.paths or len({path.resolve() for path in self.paths}) < len(self.paths):
            raise InputError(f"--ckpt_path: expected different files, got {list(map(str, files))}; correct it.")
        if len(self.paths) > 1 and not ensemble:
            raise InputError(
                f"--ckpt_path: {len(self.paths)} files are an ensemble, which only inference averages; give one file."
            )
        self.networks = [network]
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
        first, *others = self.paths
        files = [self._load(first, unwrap(self.network))]
        self.networks = [self.network]
        for path in others:
            member = deepcopy(unwrap(self.network)).eval()
            files.append(self._load(path, member))
            self.networks.append(member)
        origin = {"ensemble": files} if others else files[0]
        self.note = json.dumps({**origin, "settings": plain(self.settings)})

    def _load(self, path: Path, network: torch.nn.Module) -> dict[str, str]:
        """Load one file, and return its name and hash."""
        content = read_file(path, self.remedy)
        if isinstance(network, ExportedNetwork):
            trained = network.load_file(path, content)["model_settings"]
            compare_model_settings(path, trained, self.settings, self.may_differ)
            return self._loaded(path, content, trained)
        tensors = load_tensors(content, path, self.remedy)
        trained = read_model_settings(getattr(tensors, "_metadata", {}))
        if trained is not None:  # before the shapes, which say less
            compare_model_settings(path, trained, self.settings, self.may_differ)
        found = find_weights(tensors, network.state_dict(), path)
        if trained is None:
            trained = read_model_settings(found.metadata)
            compare_model_settings(path, trained, self.settings, self.may_differ)
        for name, value in found.weights.items():
            if value.is_floating_point() and not value.float().isfinite().all():
                raise InputError(f"{path}: {name!r} holds numbers that are not finite; use other weights.")
        network.load_state_dict(found.weights)
        if found.left_out:
            count, example = len(found.left_out), found.left_out[0]
            self.logger.warning("%s: %d entries are not of this network and left out, e.g. %s.", path, count, example)
        return self._loaded(path, content, trained, found.place, found.prefix)

    def _loaded(
        self, path: Path, content: bytes, trained: Mapping[str, Any] | None, place: str = "", prefix: str = ""
    ) -> dict[str, str]:
        """Log what was loaded, and return its name, hash and, if known, what it was trained on."""
        trained_on = {TRAINED_ON: trained[TRAINED_ON]} if trained and TRAINED_ON in trained else {}
        self.logger.info("Loaded %s%s.", path, _origin(place, prefix, trained_on.get(TRAINED_ON)))
        return {"file": str(path), "sha256": hashlib.sha256(content).hexdigest(), **trained_on}


def _origin(place: str, prefix: str, trained_on: str | None) -> str:
    parts = [f"trained on {trained_on}"] if trained_on else []
    parts += [f"under {place!r}"] if place else []
    parts += [f"prefix {prefix!r} taken off"] if prefix else []
    return f" ({', '.join(parts)})" if parts else ""
