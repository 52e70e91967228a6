"""What a bundle checks and keeps of its own configuration when a run starts."""

from __future__ import annotations

import difflib
import json
import logging
import re
import sys
import traceback
from collections.abc import Collection, Iterator
from pathlib import Path

from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle.properties import InferProperties, MetaProperties, TrainProperties

from ..atomic_write import atomic_write
from ..errors import InputError
from .setting_paths import refuse_bad_paths, typed_words
from .setting_values import refuse_bad_values

__all__ = ["refuse_unknown_settings", "running_workflow", "save_executed_config", "unknown_settings"]

RENAMED = {  # former name of a setting to what is written now
    "region_weight": "--deep_supervision_weight",
    "sequence": """--modalities "['t1ce']\"""",
}

MONAI_KEYS = {"imports", "initialize", "run", "finalize", "save_execute_config", "evaluator", "network"} | {
    entry["id"].split("::")[0]
    for group in (TrainProperties, InferProperties, MetaProperties)
    for entry in group.values()
}

WORDS = {"true": "True", "false": "False", "null": "None"}  # JSON's, which a command line hands on as texts


def running_workflow() -> ConfigWorkflow:
    """Find the workflow whose `initialize`, `run` or `finalize` is being evaluated, through the call stack.

    Raises:
        RuntimeError: called outside of one.
    """
    for frame, _ in traceback.walk_stack(sys._getframe()):  # without a frame Python's versions skip some
        caller = frame.f_locals.get("self")
        if isinstance(caller, ConfigWorkflow):
            return caller
    raise RuntimeError("No ConfigWorkflow is running.")


def _texts(item: object) -> Iterator[str]:
    """Walk over every string value in a configuration."""
    if isinstance(item, dict):
        for value in item.values():
            yield from _texts(value)
    elif isinstance(item, (list, tuple)):
        for value in item:
            yield from _texts(value)
    elif isinstance(item, str):
        yield item


def _top_level(key: str) -> str:
    """Return "validate" of "+validate::handlers"."""
    return re.split("::|#", key.removeprefix("+"))[0]


def unknown_settings(config: dict, run_ids: Collection[str] = (), others: Collection[dict] = ()) -> list[str]:
    """List the top-level keys that nothing uses.

    Used is what some ``@key`` or ``%key`` names, what is a property or run id of MONAI, and what begins with ``_``.

    Args:
        config: the whole configuration, overrides included.
        run_ids: further ids that the caller runs.
        others: configurations whose references count too: an override may have replaced what used a key.
    """
    references = {name for text in _texts([config, *others]) for name in re.findall(r"[@%](\w+)", text)}
    return [key for key in config if not (key.startswith("_") or key in references | MONAI_KEYS or key in run_ids)]


def refuse_unknown_settings() -> None:
    """Stop the running workflow if a top-level key of its configuration is used by nothing: it was misspelt.

    So is `--learnable_rho false`: the command line reads values as Python does, and the text "false", as any other,
    would count as true. Then paths (`refuse_bad_paths`) and values (`refuse_bad_values`) are checked. A setting that
    was typed, and whose only reader an overlay replaced, gets a line in the log.

    Raises:
        InputError: names the key and the nearest known one, or the value to write.
    """
    workflow = running_workflow()
    config = workflow.parser.get()
    files = {path.name: json.loads(path.read_text()) for path in sorted(workflow.config_root_path.glob("*.json"))}
    merged = [file for file in files.values() if all(_top_level(key) in config for key in file)]
    run_ids = {workflow.init_id, workflow.run_id, workflow.final_id}
    unknown = unknown_settings(config, run_ids, others=merged)
    elsewhere = [name for name, file in files.items() if unknown and unknown[0] in file and file not in merged]
    if elsewhere:
        place = " and ".join(elsewhere)
        raise InputError(f"--{unknown[0]}: a setting of {place}, which this run does not read; leave it out.")
    if unknown and unknown[0] in RENAMED:
        raise InputError(f"--{unknown[0]}: has another name now; write {RENAMED[unknown[0]]}.")
    if unknown:
        known = [key for key in config if key not in unknown and not key.startswith("_")]
        near = difflib.get_close_matches(unknown[0], known, n=1)
        remedy = f"did you mean --{near[0]}?" if near else f"known are: {', '.join(sorted(known))}."
        raise InputError(f"--{unknown[0]}: no such setting; {remedy}")
    for key, value in config.items():
        of_files = [file[key] for file in merged if key in file]
        if isinstance(value, str) and value[:1] not in "$@%" and any(isinstance(own, bool) for own in of_files):
            raise InputError(f"--{key}: {value!r} is no value; write True or False, as in Python.")
        words = [text for text in _texts(value) if text in WORDS and key != ConfigParser.meta_key]
        if words:
            raise InputError(f"--{key}: {words[0]!r} is no value; write {WORDS[words[0]]}, as in Python.")
    parts = {key: value for key, value in config.items() if not key.startswith("_")}
    for name in typed_words().keys() & unknown_settings(parts, run_ids):
        logging.getLogger("Settings").warning("--%s has no effect: an overlay replaced the part that reads it.", name)
    refuse_bad_paths(workflow.parser, merged)
    refuse_bad_values(workflow.parser, sorted(merged, key=len, reverse=True))


def save_executed_config(path: str) -> None:
    """Keep the running workflow's configuration, overrides included, as JSON.

    Args:
        path: file to write.
    """
    config = {key: value for key, value in running_workflow().parser.get().items() if key != ConfigParser.meta_key}
    with atomic_write(Path(path)) as temporary:
        temporary.write_text(json.dumps(config, indent=4) + "\n")
