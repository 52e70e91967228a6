"""Find faults in the bundles' configurations without running them.

    python -m ci lint [bundles/<name> ...]

An overlay is read as MONAI runs it: merged onto train.json, inference.json or both, whichever it overrides. Its faults
are those that the base does not have.
"""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

from monai.bundle.workflows import _reject_executable_logging_config

from ci.lint.config_files import bases_of, bundles_below, config_paths, read_json
from ci.lint.config_rules import CONFIG_RULES
from ci.lint.merged_config import Config, merged, plain
from ci.lint.zoo_rules import ZOO_RULES
from shared.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
RULES = {rule.__name__.replace("_", "-"): rule for rule in (*CONFIG_RULES, *ZOO_RULES)}


def faults_of(config: Config) -> list[tuple[str, str, str]]:
    """Return (id, rule, what) of every fault of one merged configuration."""
    return [(at, name, what) for name, check in RULES.items() for at, what in check(config)]


def lint_file(path: Path) -> list[tuple[str, str, str]]:
    """Return (id, rule, what) of every fault of one file."""
    try:
        content, twice = read_json(path)
    except json.JSONDecodeError as error:
        return [("", "json", str(error))]
    faults = [(key, "duplicate-key", "is twice in one object") for key in twice]
    for base in bases_of(path, content) or [None]:
        faults += _faults_on(base, path, content)
    return list(dict.fromkeys(faults))


def _faults_on(base: Path | None, path: Path, content: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the faults of one file merged onto a base, without those of the base."""
    try:
        known = set(faults_of(merged([base]))) if base else set()
        found = faults_of(merged([base, path] if base else [path]))
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        return [("", "merge", f"cannot be merged onto {base.name if base else 'nothing'}: {error!r}")]
    found = [fault for fault in found if fault not in known]
    idle = _settings_of_replaced_parts(merged([base]), content) if base else set()
    return [(at, rule, what) for at, rule, what in found if rule != "unused" or at not in idle]


def _settings_of_replaced_parts(base: Config, overlay: dict[str, Any]) -> set[str]:
    """Return what the components that an overlay replaces refer to: such settings may be idle with it.

    A setting whose place an overlay takes with a plain value is no such: giving it would change nothing, unseen.
    """
    replaced = [base.values.get(key.removeprefix("+")) for key in overlay]
    texts = [json.dumps(part) for part in replaced if isinstance(part, dict | list)]
    return {name for text in texts for name in re.findall(r"@(\w+)", text)}


def lint_pair(train: Config, inference: Config) -> list[tuple[str, str, str]]:
    """Return the fault that two configurations of a bundle have together: the network is not the same.

    What its encoder starts from (`encoder_weights`) may differ.
    """
    networks = [plain(config, config.items.get("network_def")) for config in (train, inference)]
    for network in networks:
        if isinstance(network, dict):
            network.pop("encoder_weights", None)
    if networks[0] != networks[1]:
        return [("network_def", "network", "differs from that of train.json")]
    return []


def lint_logging(path: Path) -> list[tuple[str, str, str]]:
    """Return the faults of logging.conf: MONAI evaluates it, and refuses all but the standard library's classes."""
    try:
        _reject_executable_logging_config(str(path))
    except ValueError as error:
        return [("", "logging", str(error).split(" and would execute")[0])]
    return []


def lint(bundle: Path) -> list[str]:
    """Return one line for every fault in the configurations of a bundle.

    Raises:
        InputError: the folder holds no configurations.
    """
    configs = bundle / "configs"
    found = {path: lint_file(path) for path in config_paths(bundle)}
    if not found:
        raise InputError(f"{bundle}: not a bundle, it has no configs/*.json.")
    pair = [configs / "train.json", configs / "inference.json"]
    for path in pair:
        found.setdefault(path, [("", "merge", "is missing")])
    if not any(name in {"json", "merge"} for path in pair for _, name, _ in found[path]):
        found[pair[1]] += lint_pair(merged(pair[:1]), merged(pair[1:]))
    found[configs / "logging.conf"] = lint_logging(configs / "logging.conf")
    return [f"{path}: {at}: {name}: {what}" for path, faults in found.items() for at, name, what in faults]


def main(*bundles: str) -> None:
    """Lint bundles.

    Args:
        bundles: folders, such as bundles/<name>; without any, every bundle of the repository.
    """
    warnings.simplefilter("ignore")
    chosen = [Path(bundle) for bundle in bundles] or bundles_below(ROOT)
    if not chosen:
        raise InputError("bundles/: no bundle here.")
    faults = [line for bundle in chosen for line in lint(Path(os.path.relpath(bundle)))]
    print("\n".join([*faults, f"{len(chosen)} bundles, {len(faults)} faults"]))
    sys.exit(1 if faults else 0)
