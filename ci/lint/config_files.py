"""Read the configurations of a bundle as text: without MONAI, without evaluating anything."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = [
    "absolute_paths",
    "bases_of",
    "bundles_below",
    "config_paths",
    "expression_tree",
    "read_json",
    "texts",
    "walk",
]

REFERENCE = re.compile(r"@\w*(?:(?:::|#)\w*)*")
ABSOLUTE = re.compile(r"/\w|~/|[A-Za-z]:[\\/]|\\\\|file:")


def bundles_below(root: Path) -> list[Path]:
    """List the folders of all bundles of a repository."""
    return sorted(path.parents[1] for path in root.glob("bundles/*/configs/metadata.json"))


def config_paths(bundle: Path) -> list[Path]:
    """List the configurations of a bundle; metadata is none."""
    return sorted(path for path in (bundle / "configs").glob("*.json") if path.name != "metadata.json")


def bases_of(path: Path, config: dict[str, Any]) -> list[Path]:
    """Name the configurations that an overlay follows; none for a complete one, which sets `bundle_root`.

    An overlay follows train.json or inference.json, whichever holds more of the keys that it overrides. It follows both
    if they hold equally many, as a network overlay does.
    """
    if "bundle_root" in config:
        return []
    bases = [path.with_name(name) for name in ("train.json", "inference.json")]
    counts = [_num_overridden(base, config) for base in bases]
    return [base for base, count in zip(bases, counts, strict=True) if count == max(counts)]


def _num_overridden(base: Path, config: dict[str, Any]) -> int:
    """Count the keys of an overlay that a base holds, or whose parent it holds, since arguments may be added.

    All of them count if the base cannot be read, so that a fault names it.
    """
    try:
        ids = {at for at, _ in walk(read_json(base)[0])}
    except (OSError, json.JSONDecodeError):
        return len(config)
    keys = [key.removeprefix("+") for key in config]
    return sum((key.rpartition("::")[0] or key) in ids for key in keys)


def read_json(path: Path) -> tuple[Any, list[str]]:
    """Return the content of a file and the keys that it holds twice.

    Raises:
        json.JSONDecodeError: the file is no JSON.
    """
    twice: list[str] = []

    def as_dictionary(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice.extend(sorted({key for key in keys if keys.count(key) > 1}))
        return dict(pairs)

    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=as_dictionary), twice


def walk(item: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (id, value) of an item and of everything inside it, ids as MONAI writes them (``train::handlers::0``)."""
    yield at, item
    inside = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, value in inside:
        yield from walk(value, f"{at}::{key}" if at else str(key))


def texts(config: Any) -> Iterator[tuple[str, str]]:
    """Yield (id, text) of every string that means something to MONAI."""
    for at, value in walk(config):
        if isinstance(value, str) and not at.endswith("_desc_"):
            yield at, value


def expression_tree(text: str) -> ast.AST:
    """Parse a `$` expression; every reference is the name `_reference` in it.

    Raises:
        SyntaxError: it cannot be parsed.
    """
    code = REFERENCE.sub("_reference", text.removeprefix("$")).strip()
    return ast.parse(code) if code.startswith(("import ", "from ")) else ast.parse(code, mode="eval")


def absolute_paths(text: str) -> list[str]:
    """List the absolute paths in a configuration's string.

    In ``$@bundle_root + '/models'`` the second part is none, since it continues another text.
    """
    if not text.startswith("$"):
        return [text] if ABSOLUTE.match(text) else []
    try:
        tree = expression_tree(text)
    except SyntaxError:
        return []
    continued: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            continued.add(node.right)
        elif isinstance(node, ast.JoinedStr):
            continued.update(node.values[1:])
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in continued)
    return [node.value for node in constants if isinstance(node.value, str) and ABSOLUTE.match(node.value)]
