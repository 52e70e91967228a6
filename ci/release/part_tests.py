"""Choose the tests that some modules of `shared/` can run alone, and make them import another package."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

__all__ = ["part_tests"]

FOLDERS = ("bundles", "shared", "ci", "tests")
PATH_HERE = re.compile(rf"({'|'.join(FOLDERS)})/\S*")
DOTTED_NAME_HERE = re.compile(r"(shared|ci)(\.\w+)+")
START_OF_A_NAME = re.compile(r"(\bfrom |\bimport |[\"'`])shared\.")  # not of an attribute of a variable called shared


def part_tests(root: Path, exported: Collection[str], modules: Collection[str], package: str) -> dict[str, str]:
    """Return {path: text} of the test files that are left when everything that needs other modules is taken out.

    A test is taken out if it uses a name of `shared` that is not packed, a command, a fixture of the repository's
    ``conftest.py`` or a path into the repository, itself or through another function of its file. A module of builders
    next to the tests comes along if all that it imports from `shared` is packed and it has no path into the repository.
    A path is a text such as ``"bundles/a/LICENSE"``, or an argument of `Path`. The word ``"shared"`` alone is no path.

    Args:
        root: folder that holds ``shared/`` and ``tests/``.
        exported: dotted names that the packed folders export.
        modules: dotted names of the packed modules.
        package: name that replaces `shared`.
    """
    known, found = {*exported, *modules}, {}
    others = {path.stem for path in (root / "tests").rglob("*.py")}
    for folder in sorted({module.split(".")[1] for module in modules if module.count(".") > 1}):
        fixtures = {*_fixtures(root / "tests" / "conftest.py"), *_fixtures(root / "tests" / folder / "conftest.py")}
        for path in sorted((root / "tests" / folder).glob("test_*.py")):
            helpers = {file.stem: file for file in path.parent.glob("*.py") if not file.name.startswith("test_")}
            text, used = _without_the_rest(path, known, fixtures, helpers, others, package)
            files = {f"tests/{folder}/{name}.py": _renamed(_read(helpers[name]), package) for name in used}
            files[f"tests/{folder}/{path.name}"] = text
            if re.search(r"^def test_", text, re.MULTILINE) and f"from {package}.{folder}" in "".join(files.values()):
                found |= files
    return found


def _fixtures(conftest: Path) -> Iterator[str]:
    if conftest.is_file():
        body = ast.parse(conftest.read_text(encoding="utf-8")).body
        yield from (node.name for node in body if isinstance(node, ast.FunctionDef))


def _without_the_rest(
    path: Path,
    known: Collection[str],
    fixtures: Collection[str],
    helpers: dict[str, Path],
    others: Collection[str],
    package: str,
) -> tuple[str, list[str]]:
    """Return what is left of a test file, and those of the `helpers` next to it that it imports."""
    text = _read(path)
    lines, body, used = text.splitlines(), ast.parse(text).body, []
    lost, changed = {"__file__", *fixtures}, {}  # line of a statement to what replaces it
    for node in [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]:
        source = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        alone = source in helpers and _stands_alone(helpers[source], known, others)
        if source.split(".")[0] in ("shared", "ci", *others):
            kept = [alias for alias in node.names if alone or f"{source}.{alias.name}" in known]
            lost |= {alias.asname or alias.name for alias in node.names if alias not in kept}
            used += [source] if alone else []
            node.names = kept
            changed[node] = ast.unparse(node) if kept else ""
    rest = [node for node in body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    while found := [node for node in rest if node not in changed and _needs(node, lost, known)]:
        changed |= dict.fromkeys(found, "")
        lost |= {name for node in found for name in _defines(node)}
    for node in sorted(changed, key=lambda node: -node.lineno):
        first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))])
        lines[first - 1 : node.end_lineno] = [changed[node]] if changed[node] else []
    left = re.sub(r"\n{4,}", "\n\n\n", "\n".join(lines)).rstrip() + "\n"
    return _renamed(left, package), used


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _renamed(text: str, package: str) -> str:
    return START_OF_A_NAME.sub(rf"\g<1>{package}.", text)


def _stands_alone(module: Path, known: Collection[str], others: Collection[str]) -> bool:
    """Whether a module imports nothing of the repository but what is known, and has no path into it."""
    tree = ast.parse(_read(module))
    nodes = list(ast.walk(tree))
    names = {f"{node.module}.{item.name}" for node in nodes if isinstance(node, ast.ImportFrom) for item in node.names}
    names |= {item.name for node in nodes if isinstance(node, ast.Import) for item in node.names}
    missing = {name for name in names if name.split(".")[0] in ("shared", "ci", *others)} - {*known}
    return not missing and not any(_needs(statement, {"__file__"}, known) for statement in tree.body)


def _needs(statement: ast.stmt, lost: Collection[str], known: Collection[str]) -> bool:
    """Whether a statement uses a lost name (variable or fixture), imports what is not known, or has a path here."""
    for node in ast.walk(statement):
        inner = [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        if any(imported.split(".")[0] in ("shared", "ci") and imported not in known for imported in inner):
            return True
        name = getattr(node, "id", None) or getattr(node, "arg", None)  # of a variable, of an argument
        if isinstance(node, (ast.Name, ast.arg)) and name in lost:
            return True
        if _is_path_here(node) or _is_unknown_name(node, known):
            return True
    return False


def _is_path_here(node: ast.AST) -> bool:
    """Whether a node is a text such as ``"shared/networks"``, or a call such as ``Path("shared", name)``."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and bool(PATH_HERE.fullmatch(node.value))
    is_path = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Path"
    return is_path and any(isinstance(word, ast.Constant) and word.value in FOLDERS for word in node.args)


def _is_unknown_name(node: ast.AST, known: Collection[str]) -> bool:
    """Whether a node is a text such as ``"shared.networks.Other.forward"`` of what is not known."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED_NAME_HERE.fullmatch(node.value)):
        return False
    return not any(f"{node.value}.".startswith(f"{name}.") for name in known)


def _defines(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        yield statement.name
    for node in ast.walk(statement) if isinstance(statement, (ast.Assign, ast.AnnAssign)) else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
