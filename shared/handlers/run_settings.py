"""Settings of a training, stored in its checkpoint and compared when it is resumed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch.distributed as dist
from ignite.engine import Engine

from ..errors import InputError
from .model_settings import plain
from .running_workflow import running_workflow

__all__ = ["compare_run_settings", "run_settings"]

# What a resumed training may change: paths, hardware, intervals, and what these need. Ids of the configuration.
FREE = {
    *("imports", "initialize", "run", "finalize", "resume", "bundle_root", "dataset_dir", "ckpt_dir", "output_dir"),
    *("device", "amp", "num_workers", "cache_rate", "val_interval", "checkpoint_interval"),
    *("line_interval_epochs", "term_interval_iterations", "patience_epochs"),
    *("network", "loss_on_device", "find_unused_parameters", "train::sampler"),
    *("train::handlers", "train::trainer::train_handlers", "validate::handlers", "validate::dataset::data"),
    *("validate::evaluator::val_handlers", "validate::dataset::cache_rate"),
}
PROCESSES, CASES = "number of processes", "training cases"
END = "max_epochs"


def run_settings(engine: Engine) -> dict[str, Any]:
    """Return all settings of the running training that `FREE` does not name, {id: value as written in the config}.

    An expression or reference is a text: where it leads to is compared itself. Outside of a bundle's run only the
    number of processes, the end and the training cases are known.
    """
    found: dict[str, Any] = {PROCESSES: dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1}
    with contextlib.suppress(RuntimeError):  # no bundle is running
        found |= dict(_leaves(running_workflow().parser.get()))
    items = getattr(getattr(engine.state.dataloader, "dataset", None), "data", None)
    if isinstance(items, list) and all(isinstance(item, Mapping) and "case" in item for item in items):
        names = "\n".join(sorted(str(item["case"]) for item in items))  # names of patients stay out of the file
        found[CASES] = f"{len(items)}, of hash {hashlib.sha256(names.encode()).hexdigest()[:8]}"
    return {**plain(found), END: engine.state.max_epochs}


def _leaves(config: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Walk over the values of a configuration; a list without dictionaries is one value."""
    if at in FREE or at.startswith("_"):
        return
    if isinstance(config, dict) and config:
        for key, value in config.items():
            if at or not str(key).startswith("_"):
                yield from _leaves(value, f"{at}::{key}" if at else str(key))
    elif isinstance(config, (list, tuple)) and any(isinstance(value, dict) for value in config):
        for index, value in enumerate(config):
            yield from _leaves(value, f"{at}::{index}")
    else:
        yield at, config


def compare_run_settings(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to resume with other settings; only `max_epochs` may grow.

    Args:
        path: the checkpoint, for messages.
        before: settings in the checkpoint.
        now: settings of this run.

    Raises:
        InputError: a setting differs; the text has its name and both values.
    """
    if now[END] < before[END]:
        raise InputError(
            f"{path}: its training was set to end after epoch {before[END]}, --{END} {now[END]} is before that; "
            f"give {before[END]} or more, or train anew in another --ckpt_dir."
        )
    for name in [*now, *(name for name in before if name not in now)]:
        if name != END and before.get(name, "not set") != now.get(name, "not set"):
            option = name if name in (PROCESSES, CASES) else f"--{name}"
            raise InputError(
                f"{path}: its training has {option} = {before.get(name, 'not set')}, now it is "
                f"{now.get(name, 'not set')}; resume with the former value, or train anew in another --ckpt_dir."
            )
