"""Find the modules of `shared/` that some names need, and what is left of each folder's `__init__`."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from shared.errors import InputError

__all__ = ["definition", "exports", "import_closure"]

LINE_LENGTH = 120


def import_closure(root: Path, names: Iterable[str]) -> dict[Path, bytes]:
    """Return {file relative to `root`: content} of all that importing `names` needs from their top-level package.

    Modules come as they are. A folder's ``__init__`` keeps its docstring and, of the names that it re-exports, those
    that are used: by `names`, or by a module that is needed. Imports for type checkers alone do not count.

    Args:
        root: folder that holds the top-level package.
        names: dotted names of classes, functions or modules, such as ``shared.losses.ParetoFuzzyLoss``.

    Raises:
        InputError: a name is in no module; an ``__init__`` holds more than a docstring, relative imports of names
            and ``__all__``; a module imports its own top-level package by its full name.
    """
    modules: dict[str, Path] = {}
    exported: dict[str, set[str]] = defaultdict(set)
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        module, attribute = _split(root, name)
        parts = module.split(".")
        packages = [".".join(parts[:length]) for length in range(1, len(parts) + _is_package(root, module))]
        for package in packages:
            exported[package]  # an empty set, where nothing of it is used by name
        if not _is_package(root, module):
            if module not in modules:
                modules[module] = root.joinpath(*parts).with_suffix(".py")
                waiting.extend(_imported(module, modules[module]))
        elif attribute not in exported[module]:
            exported[module].add(attribute)
            waiting.append(exports(root, module)[attribute])
    files = {file.relative_to(root): file.read_bytes() for file in modules.values()}
    files |= {
        Path(*package.split("."), "__init__.py"): _trimmed(root, package, used).encode()
        for package, used in exported.items()
    }
    return dict(sorted(files.items()))


def definition(root: Path, name: str) -> tuple[str, str]:
    """Return the module that defines a dotted name, and the name there: "" for the module itself.

    Raises:
        InputError: nothing has this name.
    """
    module, attribute = _split(root, name)
    if _is_package(root, module):
        return definition(root, exports(root, module)[attribute])
    if attribute and attribute not in _defined(root.joinpath(*module.split(".")).with_suffix(".py")):
        raise InputError(f"{name}: no such module or name under {root}.")
    return module, attribute


def _defined(module: Path) -> set[str]:
    """Return the names of the classes, functions and constants of a module, also of those that it imports."""
    names = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign):
            names.add(ast.unparse(node.target))
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def _is_package(root: Path, name: str) -> bool:
    return root.joinpath(*name.split("."), "__init__.py").is_file()


def _split(root: Path, name: str) -> tuple[str, str]:
    """Return the module of a dotted name, and what is left: "" for the module itself.

    What a package exports hides a module of the same name, as in Python.
    """
    parent, _, attribute = name.rpartition(".")
    if _is_package(root, parent) and attribute in exports(root, parent):
        return parent, attribute
    for module, rest in ((name, ""), (parent, attribute)):
        if not _is_package(root, module) and root.joinpath(*module.split(".")).with_suffix(".py").is_file():
            return module, rest
    raise InputError(f"{name}: no such module or name under {root}.")


def exports(root: Path, package: str) -> dict[str, str]:
    """Return {name: its dotted name} of what a package's ``__init__`` imports.

    Raises:
        InputError: the file does something else as well.
    """
    file = root.joinpath(*package.split("."), "__init__.py")
    found = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            found |= {alias.asname or alias.name: f"{package}.{node.module}.{alias.name}" for alias in node.names}
        elif not _is_docstring(node) and not (isinstance(node, ast.Assign) and ast.unparse(node.targets) == "__all__"):
            raise InputError(f"{file}: line {node.lineno} is no docstring, import or __all__; put it into a module.")
    return found


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imported(name: str, file: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports from its own package, wherever in the file."""
    package = name.split(".")[:-1]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    for_checkers = {id(node) for block in blocks for statement in block.body for node in ast.walk(statement)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in for_checkers:
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and not getattr(node, "level", 0):
            absolute = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            if any(found.split(".")[0] == package[0] for found in absolute):
                raise InputError(
                    f"{file}: line {node.lineno} imports {package[0]} by its full name; write the import relatively."
                )


def _trimmed(root: Path, package: str, used: set[str]) -> str:
    """Return what is left of a package's ``__init__``."""
    text = root.joinpath(*package.split("."), "__init__.py").read_text(encoding="utf-8")
    lines = []
    for node in ast.parse(text).body:
        if _is_docstring(node):
            lines.append(ast.get_source_segment(text, node) + "\n")
        elif isinstance(node, ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in used]
            names = [ast.unparse(alias) for alias in node.names]
            lines += [_listed(f"from .{node.module} import ", "()", names)] if names else []
    names = [f'"{name}"' for name in sorted(used)]
    return "\n".join([*lines, *(["", _listed("__all__ = ", "[]", names)] if used else [])]) + "\n" if lines else ""


def _listed(start: str, brackets: str, names: list[str]) -> str:
    """Return an import or a list as black writes it: with a name per line, if one line is too long for all."""
    line = start + (", ".join(names) if brackets == "()" else f"[{', '.join(names)}]")
    if len(line) <= LINE_LENGTH:
        return line
    return "\n".join([start + brackets[0], *(f"    {name}," for name in names), brackets[1]])
