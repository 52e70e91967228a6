"""Check that the paths among a run's settings are the ones that were typed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monai.bundle import ConfigParser

from ..errors import InputError

__all__ = ["is_path_name", "refuse_bad_paths", "typed_words"]

PATH_NAME = re.compile(r"(^|_)(dir|folder|root|path|file|files)$")
SEVERAL = ("ckpt_path",)  # settings that may be a list of paths
SEPARATORS = ("#", "::")  # of MONAI's ids: wherever a text holds one, it is changed when the configuration is parsed


def is_path_name(name: str) -> bool:
    """Whether a setting of this name holds a path, or several."""
    return PATH_NAME.search(name) is not None


def refuse_bad_paths(parser: ConfigParser, files: Sequence[Mapping[str, Any]]) -> None:
    """Refuse paths that the command line or MONAI would read as something else.

    Command lines read values as Python does: `2021` as a number, `run#2` as `run` with a comment, `(x)` as `x`. MONAI
    takes `#` and `::` for the separators of its ids.

    Args:
        parser: holds the configuration, overrides included.
        files: contents of the configuration files that were merged.

    Raises:
        InputError: names the setting and what to write.
    """
    config = parser.get()
    typed = typed_words()
    for name, word in typed.items():
        if word == "None" and name in parser and parser[name] is not None:
            raise InputError(f"--{name}: MONAI takes None for an option that is not given; write '$None' or a value.")
        if is_path_name(name) and name in config and not word.startswith(("$", "@", "%")):
            _refuse_separator(name, word)
    for place, value in _paths(config):
        name = place.split("::")[0]
        if place == name and name.endswith("files") and isinstance(value, str) and value[:1] not in "@$":
            raise InputError(f"--{name}: expected a file per part, got {value!r}; write \"{{'train': '{value}'}}\".")
        own = [file[name] for file in files if name in file]
        if "::" not in place and value in own:
            continue
        may_be_none = "::" in place or not own or any(item is None for item in own)
        _refuse_path(place, value, typed.get(place), may_be_none, parser)


def typed_words() -> dict[str, str]:
    """Return {setting: word} as typed on the command line."""
    words, found = sys.argv[1:], {}
    for index, word in enumerate(words):
        if not re.match(r"--?[A-Za-z]", word):
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if equals or index + 1 < len(words):
            found[name.replace("-", "_")] = value if equals else words[index + 1]
    return found


def _paths(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Walk over (id, value) of all paths: settings whose names say so, and every text of a list of cases."""
    for name, value in config.items():
        if name == ConfigParser.meta_key or name.startswith("_"):
            continue
        if name == "datalist" and isinstance(value, (list, tuple)):
            yield from ((place, text) for place, text in _leaves(value, name) if isinstance(text, str))
        elif is_path_name(name) and (isinstance(value, Mapping) or (name in SEVERAL and isinstance(value, list))):
            yield from _leaves(value, name)
        elif is_path_name(name):
            yield name, value
        elif isinstance(value, (Mapping, list, tuple)):
            yield from _named_paths(value, name)


def _named_paths(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    """Walk over the arguments of components whose names say that they are paths."""
    for key, part in value.items() if isinstance(value, Mapping) else enumerate(value):
        place = f"{at}::{key}"
        if isinstance(part, (Mapping, list, tuple)):
            yield from _named_paths(part, place)
        elif isinstance(key, str) and is_path_name(key):
            yield place, part


def _leaves(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (Mapping, list, tuple)):
        for key, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _leaves(part, f"{at}::{key}")
    else:
        yield at, value


def _refuse_path(place: str, value: Any, typed: str | None, may_be_none: bool, parser: ConfigParser) -> None:
    if isinstance(value, str):
        if value.startswith("@") and value[1:] not in parser:
            raise InputError(f"--{place}: {value!r} is read as a reference to a setting; write ./{value}.")
        if value.startswith("$") and os.path.exists(value):
            raise InputError(f"--{place}: {value!r} is read as an expression; write ./{value}.")
        if not value.startswith(("@", "$")):
            _refuse_separator(place, value)
            _refuse_other_word(place, value, typed)
    elif isinstance(value, os.PathLike) or (value is None and may_be_none):
        return
    else:
        word = typed if typed and not typed.startswith("-") else str(value)
        example = f"./{word}" if re.fullmatch(r"[\w.+-]+", word) else "./NAME"
        raise InputError(f"--{place}: expected a path, got {value!r} ({type(value).__name__}); write {example}.")


def _refuse_separator(place: str, path: str) -> None:
    for separator in SEPARATORS:
        if separator in path:
            raise InputError(
                f"--{place}: {path!r} holds {separator!r}, which MONAI reads as a reference; rename it, or give a link "
                "to it whose name has none."
            )


def _refuse_other_word(place: str, value: str, typed: str | None) -> None:
    """Refuse what was typed as `(x)` and arrived as `x`; quotes around the whole word are meant so."""
    if typed is None or typed == value or typed[:1] in "'\"":
        return
    try:
        from fire.parser import DefaultParseValue
    except ImportError:  # not a command line of MONAI
        return
    if DefaultParseValue(typed) == value:
        raise InputError(f"--{place}: {typed!r} is read as {value!r}; write './{typed}'.")
