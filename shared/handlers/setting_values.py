"""Check that the values of a run's settings can be used, before anything is built."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.bundle import ConfigParser

from ..errors import InputError
from .setting_paths import is_path_name
from .setting_ranges import CHOICES, LISTS, nested_numbers, range_of
from .settings_together import refuse_disagreement

__all__ = ["refuse_bad_values"]

MARKS = ("$", "@", "%")  # of an expression, a reference and a macro
NEVER_TEXTS = ("device", "amp", "network")
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
    refuse_disagreement(config, {key: value for key, value in values.items() if value is not UNKNOWN})


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
