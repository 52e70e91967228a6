"""Check settings that are right or wrong only together with another one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monai.bundle import ConfigParser

from ..errors import InputError
from ..transforms.label_tables import LABEL_TABLES

__all__ = ["refuse_disagreement"]

INPUT_SIZES = ("patch_size", "image_size", "img_size")


def refuse_disagreement(config: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Refuse settings that contradict one another: folds, rho, class names, label convention, sizes of the input.

    Args:
        config: the configuration, overrides included.
        values: of settings that are known now, references followed.

    Raises:
        InputError: names the setting, what is expected, and what is given.
    """
    fold, folds = values.get("fold", 0), values.get("num_folds")
    if folds is None and fold:
        raise InputError(f"--fold: {fold} without --num_folds has no effect; give both, or neither.")
    if folds is not None and fold >= folds:
        raise InputError(
            f"--fold: expected a whole number from 0 to {folds - 1} (--num_folds {folds}), got {fold}; correct it."
        )
    for name in ("rho_1", "rho_2"):
        if config.get("learnable_rho") is True and name in values and not 0 < values[name] < 1:
            raise InputError(
                f"--{name}: expected a number between 0 and 1 to start learning from, got {values[name]!r}; "
                "correct it, or fix it with --learnable_rho False."
            )
    _refuse_class_names(config, values)
    _refuse_further_classes(config.get("label_convention"), values.get("num_classes"))
    for key in INPUT_SIZES:
        if key in values:
            _refuse_size(key, values[key], config.get(ConfigParser.meta_key, {}))


def _refuse_class_names(config: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Images name their classes from 1 on; pictures name regions, and their classes from 0 on."""
    names, num_classes = values.get("class_names"), values.get("num_classes")
    if names is None:
        return
    if any(not isinstance(name, str) or not name.strip() for name in names) or len(set(names)) < len(names):
        raise InputError(f"--class_names: expected different names, got {list(names)!r}; correct it.")
    if isinstance(num_classes, int):
        expected = num_classes if "region_names" in config else num_classes - 1
        if len(names) != expected:
            raise InputError(
                f"--class_names: expected {expected} names (--num_classes {num_classes}), got {list(names)!r}; "
                "name each class."
            )


def _refuse_further_classes(convention: Any, num_classes: Any) -> None:
    """Labels must not become classes that the network lacks, as a resection cavity does in some conventions."""
    if isinstance(convention, Mapping):
        largest = max((klass for klass in convention.values() if isinstance(klass, int)), default=0)
    else:
        known = [table.mappings for table in LABEL_TABLES.values()]
        mappings = [names[convention] for names in known if isinstance(convention, str) and convention in names]
        largest = min((max(mapping.values()) for mapping in mappings), default=0)
    if isinstance(num_classes, int) and largest >= num_classes:
        raise InputError(
            f"--label_convention: {convention!r} makes class {largest}, but --num_classes {num_classes} ends at class "
            f"{num_classes - 1}; choose another convention, or give num_classes and class_names with all classes "
            "(resection cavity: resection_cavity.json)."
        )


def _refuse_size(key: str, size: Any, metadata: Mapping[str, Any]) -> None:
    """Compare a size with what the metadata say that the network takes, such as ["16*n", "16*n", "16*n+16"]."""
    shape = metadata.get("network_data_format", {}).get("inputs", {}).get("image", {}).get("spatial_shape", [])
    rules = [re.fullmatch(r"(\d+)\*n(?:\+(\d+))?", str(axis).replace(" ", "")) for axis in shape]
    if shape and (not isinstance(size, (list, tuple)) or len(size) != len(shape)):
        raise InputError(f"--{key}: expected a list of {len(shape)} whole numbers, got {size!r}; correct it.")
    if not shape or not all(rules):  # MONAI Label reads no metadata
        return
    steps = [int(rule[1]) for rule in rules]
    smallest = sorted(int(rule[1]) + int(rule[2] or 0) for rule in rules)
    if any(n % step for n, step in zip(size, steps, strict=True)) or any(
        n < least for n, least in zip(sorted(size), smallest, strict=True)
    ):
        fitting = [max(-(-n // step) * step, max(smallest)) for n, step in zip(size, steps, strict=True)]
        raise InputError(
            f"--{key}: expected multiples of {max(steps)}, of at least {max(smallest)}, got {list(size)!r}; the "
            f"network halves them several times, choose for example {fitting}."
        )
