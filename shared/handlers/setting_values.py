"""Check that the values of a run's settings can be used, before anything is built."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.bundle import ConfigParser

from ..errors import InputError
from ..transforms.label_tables import LABEL_TABLES
from .setting_paths import is_path_name
from .setting_ranges import CHOICES, LISTS, nested_numbers, range_of

__all__ = ["refuse_bad_values"]

MARKS = ("$", "@", "%")  # of an expression, a reference and a macro
NEVER_TEXTS = ("device", "amp", "network")
INPUT_SIZES = ("patch_size", "image_size", "img_size")
FRACTIONS_MAY_MISS = 0.01
UNKNOWN = object()  # an expression that cannot be evaluated yet


def refuse_bad_values(parser: ConfigParser, files: Sequence[Mapping[str, Any]]) -> None:
    """Refuse settings of another type than in the bundle's files, out of their range, or at odds with one another.

    Args:
        parser: holds the configuration, overrides included.
        files: contents of the configuration files that were merged, the complete one first.

    Raises:
        InputError: names the setting, what is expected, and what is given.
    """
    config = parser.get()
    settings = [key for key in config if not key.startswith("_") and not is_path_name(key)]
    for key in settings:
        own = [file[key] for file in files if key in file]
        if own and config[key] not in own:
            _refuse_type(key, config[key], own)
    values = {key: _value(parser, key) for key in settings if range_of(key) or key in CHOICES or key == "class_names"}
    for key, value in values.items():
        may_be_none = value is None and any(file.get(key, 0) is None for file in files)
        if value is not UNKNOWN and not may_be_none:
            _refuse_range(key, value, config[key])
    for place, number in nested_numbers(config):
        limits = range_of(place.split("::")[-1])
        if limits is not None and not limits.holds(number):
            raise InputError(f"--{place}: expected {limits}, got {number!r}; correct it.")
    _refuse_device(_value(parser, "device") if "device" in config else UNKNOWN)
    _refuse_disagreement(config, {key: value for key, value in values.items() if value is not UNKNOWN})


def _is_plain(value: Any) -> bool:
    return not (isinstance(value, str) and value.startswith(MARKS))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _value(parser: ConfigParser, key: str) -> Any:
    """Follow references and evaluate an expression, as far as that is possible now."""
    value = parser.get()[key]
    passed = {key}
    while isinstance(value, str) and value.startswith("@") and value[1:] in parser.get() and value[1:] not in passed:
        passed.add(value[1:])
        value = parser.get()[value[1:]]
    if isinstance(value, str) and value.startswith("$"):
        try:
            return parser.get_parsed_content(key)
        except Exception:  # it may refer to anything; what is wrong with it shows where it is used
            return UNKNOWN
    return value


def _refuse_type(key: str, given: Any, own: Sequence[Any]) -> None:
    """Compare the type of a value with those in the files, the first of which is the complete one."""
    if not _is_plain(given) or (given is None and (any(value is None for value in own) or range_of(key))):
        return
    if any(isinstance(value, bool) for value in own) and given not in (True, False):
        raise InputError(f"--{key}: expected True or False, got {given!r}; correct it.")
    plain = [value for value in own if _is_plain(value) and value is not None and not isinstance(value, bool)]
    if not plain:
        expression = next((value for value in own if isinstance(value, str) and value.startswith("$")), None)
        if expression is not None and key in NEVER_TEXTS and not isinstance(given, (bool, torch.device)):
            raise InputError(f"--{key}: expected an expression such as {expression!r}, got {given!r}; begin it with $.")
        return
    example = plain[0]
    if key == "datalist":
        wrong = not isinstance(given, (list, tuple)) or any(not isinstance(case, Mapping) for case in given)
        expected = "a list of cases such as \"[{'case': 'A', 'image': 'FILE'}]\""
    elif _is_number(example):
        wrong, expected = given is not None and not _is_number(given), f"a number such as {example!r}"
    elif isinstance(example, (list, tuple)):
        wrong, expected = not _is_list_like(given, example, key), f"a list such as {list(example)!r}"
    elif isinstance(example, Mapping):
        wrong, expected = not isinstance(given, (Mapping, list, tuple)), "a dictionary, as in the file"
    else:
        wrong, expected = not isinstance(given, (str, Mapping)), f"a text such as {example!r}"
    if wrong:
        raise InputError(f"--{key}: expected {expected}, got {given!r}; correct it.")


def _is_list_like(given: Any, example: Sequence[Any], key: str) -> bool:
    """Whether it is a list of the same kind of items; of as many, where they are lengths along the axes or shares."""
    if not isinstance(given, (list, tuple)) or (not given and example):
        return False
    if len(given) != len(example) and re.search(r"_(mm|um|px|size|fractions)$|^region_names$", key):
        return False
    for kind in (_is_number, lambda item: isinstance(item, str)):
        if example and all(map(kind, example)):
            return all(kind(item) or (isinstance(item, str) and not _is_plain(item)) for item in given)
    return True


def _refuse_range(key: str, value: Any, written: Any) -> None:
    limits = range_of(key)
    shown = repr(value) if value is written or written == value else f"{value!r} (from {written!r})"
    if limits is not None and not (limits.holds(value) and (LISTS.search(key) or not isinstance(value, (list, tuple)))):
        raise InputError(f"--{key}: expected {limits}, got {shown}; correct it.")
    if key in CHOICES and value not in CHOICES[key]:
        raise InputError(f"--{key}: expected {' or '.join(CHOICES[key])}, got {shown}; choose one of them.")
    if key == "split_fractions" and (len(value) != 3 or abs(math.fsum(value) - 1) > FRACTIONS_MAY_MISS):
        raise InputError(
            f"--{key}: expected three shares that sum to 1 (train, validation, test), got {shown}; correct it."
        )


def _refuse_device(device: Any) -> None:
    """Refuse what is no device, and a GPU that is not there."""
    if device is UNKNOWN:
        return
    example = "write \"$torch.device('cpu')\" or another"
    if not isinstance(device, torch.device):
        raise InputError(f"--device: expected a device, got {device!r}; {example}.")
    gpus = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise InputError(f"--device: got {str(device)!r}, but this machine has {gpus} GPUs; {example}.")


def _refuse_disagreement(config: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Check what is right or wrong only together with another setting."""
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
