"""Find the modules of `shared/` that some names need."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from shared.errors import InputError

__all__ = ["import_closure"]


def _module_file(root: Path, name: str) -> Path | None:
    """Return the file of a module or package, or None if there is none of that name."""
    path = root.joinpath(*name.split("."))
    return next((file for file in (path / "__init__.py", path.with_name(path.name + ".py")) if file.is_file()), None)


def _imported(name: str, file: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports from its own package, wherever in the file."""
    package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    top = package[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            absolute = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            absolute = [node.module or ""]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
            continue
        else:
            continue
        if any(found.split(".")[0] == top for found in absolute):
            raise InputError(f"{file}: line {node.lineno} imports {top} by its full name; write the import relatively.")


def import_closure(root: Path, names: Iterable[str]) -> dict[str, Path]:
    """Return {module: file} of all that importing `names` imports from the same top-level package.

    A package on the way to a module belongs to it, and since the packages here re-export their modules, whole folders
    come along.

    Args:
        root: folder that holds the top-level package.
        names: dotted names of classes, functions or modules, such as ``shared.losses.ParetoFuzzyLoss``.

    Raises:
        InputError: a name lies in no module.
    """
    found: dict[str, Path] = {}
    waiting = list(names)
    for name in waiting:
        if _module_file(root, name) is None and _module_file(root, name.rpartition(".")[0]) is None:
            raise InputError(f"{name}: no such module under {root}.")
    while waiting:
        parts = waiting.pop().split(".")
        for length in range(1, len(parts) + 1):
            module = ".".join(parts[:length])
            file = _module_file(root, module)
            if file is not None and module not in found:
                found[module] = file
                waiting.extend(_imported(module, file))
    return dict(sorted(found.items()))
