"""Weights that a bundle includes: in use until there are weights of the user's own."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ..errors import InputError
from .model_settings import plain
from .running_workflow import running_workflow
from .setting_paths import typed_words

__all__ = ["GIVEN", "use_included_weights"]

GIVEN = "_given_"  # a program lists here the settings that it changed; without the list the command line is read


def use_included_weights(setting: str, own_path: str, included_path: str, sizes_path: str) -> None:
    """Let the running workflow use a bundle's included weights, with the sizes of their network.

    They are used if `setting` names them, or if it is left at its default, `own_path`, and no such file exists. Then
    `setting` becomes `included_path`, and the settings in `sizes_path` are set. Nothing changes if the bundle includes
    no weights, or if an overlay has other sizes.

    Runs behind `refuse_unknown_settings`. Programs that read a configuration without running its "initialize" keep the
    default: for them `sizes_path` is an overlay like any other.

    Args:
        setting: name of the setting that holds the path of the weights, such as "ckpt_path".
        own_path: its default, where a training of the user's writes weights.
        included_path: weights that the bundle includes, or would include.
        sizes_path: overlay with the sizes of their network, such as voxel size and number of features. Names that the
            workflow does not have, such as a loss in inference, are left out.

    Raises:
        InputError: one of these sizes was given with another value.
    """
    included, parser = Path(included_path), running_workflow().parser
    if not included.is_file():
        return
    is_default = _is_left_at(own_path, parser, setting)
    if not (is_default or _is_named(included, parser, setting)):
        return
    names = {name for name in parser.get() if not name.startswith("_")}
    sizes = {name: value for name, value in _read(Path(sizes_path)).items() if name in names}
    different = {name: plain(parser[name]) for name in sizes if plain(parser[name]) != sizes[name]}
    for name in different.keys() & _given(parser.get()):
        raise InputError(
            f"--{name}: expected {sizes[name]} for the included weights {included}, got {different[name]}; leave "
            f"--{name} out, or name your own weights with --{setting}."
        )
    logger, words = logging.getLogger("IncludedWeights"), ", ".join(f"{name} {value}" for name, value in sizes.items())
    if not _are_published(different, Path(sizes_path).parent):
        logger.info("The included %s are not used: an overlay sets other sizes than %s.", included, words)
        return
    for name, value in {**sizes, setting: str(included)}.items():
        parser[name] = value
    reason = f"No weights in {own_path}: uses" if is_default else "Uses"
    logger.info("%s the included %s with %s.", reason, included, words)


def _is_left_at(own_path: str, parser: ConfigParser, setting: str) -> bool:
    """Whether a setting has its default, and no weights are there. A path that the user gives is no expression."""
    is_expression = str(parser[setting]).startswith(("$", "@"))
    return is_expression and parser.get_parsed_content(setting) == own_path and not Path(own_path).exists()


def _is_named(included: Path, parser: ConfigParser, setting: str) -> bool:
    path = parser.get_parsed_content(setting)
    return isinstance(path, str) and Path(path).resolve() == included.resolve()


def _are_published(values: Mapping[str, Any], configs: Path) -> bool:
    """Whether all values are those of a complete configuration of the bundle, not of an overlay."""
    complete = [file for file in map(_read, sorted(configs.glob("*.json"))) if "bundle_root" in file]
    return all(value in [file.get(name) for file in complete] for name, value in values.items())


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _given(config: dict[str, Any]) -> Collection[str]:
    """Return the names of the settings that the user gave, rather than a file of the bundle."""
    return set(config[GIVEN] if GIVEN in config else typed_words())
