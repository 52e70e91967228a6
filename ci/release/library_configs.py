"""Rewrite configurations for the zip: components from the bundle's own library instead of `shared`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ci.lint.config_files import absolute_paths, read_json, texts, walk
from shared.errors import InputError

HOOK = "add_bundle_to_path"
# MONAI parses every expression that holds the word of an import statement as one, so this one must not hold it.
HOOK_EXPRESSION = "$sys.path.insert(0, os.path.abspath(@bundle_root))"
HOOK_NEEDS = ["$import os", "$import sys"]


def custom_targets(config: Any) -> set[str]:
    """Return the names under `shared.` that a configuration builds.

    Raises:
        InputError: an expression names `shared`; only a `_target_` may, since only those are rewritten.
    """
    for at, text in texts(config):
        if text.startswith("$") and re.search(r"\bshared\b", text):
            raise InputError(f"{at}: {text!r} reaches shared code in an expression; use _target_ (_mode_: callable).")
    targets = (value["_target_"] for _, value in walk(config) if isinstance(value, dict) and "_target_" in value)
    return {target for target in targets if isinstance(target, str) and target.startswith("shared.")}


def vendored(item: Any, library: str) -> Any:
    """Return a copy of a configuration whose components from `shared` come from `library` and require the hook."""
    if isinstance(item, list):
        return [vendored(value, library) for value in item]
    if not isinstance(item, dict):
        return item
    item = {key: vendored(value, library) for key, value in item.items()}
    target = item.get("_target_")
    if isinstance(target, str) and target.startswith("shared."):
        required = item.pop("_requires_", [])
        required = required if isinstance(required, list) else [required]
        requires = {"_target_": library + target.removeprefix("shared"), "_requires_": [f"@{HOOK}", *required]}
        item = requires | {key: value for key, value in item.items() if key != "_target_"}
    return item


def packed_config(path: Path, library: str) -> bytes:
    """Return the bytes of a configuration in the zip: its own where it needs no change.

    Raises:
        InputError: it holds an absolute path, or reaches `shared` in an expression.
    """
    config, _ = read_json(path)
    for at, text in texts(config):
        if absolute_paths(text):
            raise InputError(f"{path}: {at}: {text!r} holds an absolute path; write it relative to @bundle_root.")
    if not custom_targets(config) and "imports" not in config:
        return path.read_bytes()
    return as_json(with_library(config, library))


def with_library(config: dict[str, Any], library: str) -> dict[str, Any]:
    """Return a configuration as the zip has it: its components from `library`, with the hook that finds them."""
    hook = {HOOK: HOOK_EXPRESSION} if custom_targets(config) else {}
    config = vendored(config, library)
    is_complete = "bundle_root" in config
    imports = "imports" if is_complete or "imports" in config else "+imports"
    before = config.pop(imports, [])
    missing = [statement for statement in HOOK_NEEDS if statement not in before]
    return {imports: before + missing} | hook | config


def as_json(config: dict[str, Any]) -> bytes:
    """Return the bytes of a configuration's file."""
    return (json.dumps(config, indent=4, ensure_ascii=False) + "\n").encode()
