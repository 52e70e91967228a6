"""A bundle's configuration as MONAI merges it, ready to be looked at without evaluating any of it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver

from ci.lint.config_files import texts, walk
from ci.lint.config_targets import locate_target

__all__ = ["Config", "Faults", "is_literal", "located", "merged", "plain", "reference_of"]

Faults = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Config:
    """One configuration as MONAI merges it.

    Attributes:
        is_inference: whether it is inference.json or follows it.
        items: the merged content, metadata under ``_meta_``.
    """

    is_inference: bool
    items: dict[str, Any]

    @functools.cached_property
    def texts(self) -> list[tuple[str, str]]:
        """(id, text) of every string."""
        return [(at, text) for at, text in texts(self.items) if not at.startswith("_meta_")]

    @functools.cached_property
    def expressions(self) -> list[tuple[str, str]]:
        """(id, text) of every `$` expression."""
        return [(at, text) for at, text in self.texts if text.startswith("$")]

    @functools.cached_property
    def components(self) -> list[tuple[str, dict[str, Any]]]:
        """(id, content) of everything with a `_target_` in plain words."""
        found = [(at, value) for at, value in walk(self.items) if isinstance(value, dict)]
        return [(at, value) for at, value in found if isinstance(value.get("_target_"), str)]

    @functools.cached_property
    def values(self) -> dict[str, Any]:
        """{id: content} of all that a reference may name."""
        return dict(walk(self.items))


def merged(paths: list[Path]) -> Config:
    """Read configurations that follow one another, and the metadata next to them."""
    parser = ConfigParser(ConfigParser.load_config_files([str(path) for path in paths]))
    metadata = paths[0].with_name("metadata.json")
    if metadata.is_file():
        parser.read_meta(str(metadata))
    return Config(paths[0].stem == "inference", parser.get())


def plain(config: Config, item: Any, within: tuple[str, ...] = ()) -> Any:
    """Replace references by what they name, so that two files can be compared.

    Args:
        config: where the names are looked up.
        item: any part of it.
        within: references that led here; one that leads back stays as it is, like one that leads nowhere.
    """
    if isinstance(item, dict):
        return {key: plain(config, value, within) for key, value in item.items()}
    if isinstance(item, list):
        return [plain(config, value, within) for value in item]
    name = reference_of(item)
    if name is None or name in within or name not in config.values:
        return item
    return plain(config, config.values[name], (*within, name))


def reference_of(item: Any) -> str | None:
    """Return "a::b" of the text "@a::b" (or "@a#b"), and None of all that is no bare reference."""
    return ReferenceResolver.normalize_id(item[1:]) if isinstance(item, str) and item.startswith("@") else None


def is_literal(target: str) -> bool:
    """Whether a `_target_` is a name, neither an expression nor a reference."""
    return not target.startswith(("$", "@"))


def located(target: str) -> Any:
    """Return what a `_target_` names, or None."""
    return locate_target(target)[0] if is_literal(target) else None
