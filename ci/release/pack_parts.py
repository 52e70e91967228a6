"""Make a package of some parts of `shared/`, which pip installs and which needs nothing else of this repository."""

from __future__ import annotations

import ast
import difflib
import functools
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ci.release.import_closure import definition, exports, import_closure
from ci.release.part_readme import part_readme
from ci.release.part_tests import part_tests
from ci.release.write_zip import write_zip
from shared.errors import InputError

__all__ = ["pack_parts"]

BEHIND_MONAI = {  # packages that MONAI imports where these names of its own are used
    "ignite": {"SupervisedEvaluator", "IterationEvents", "PrepareBatch"},
    "scipy": {"compute_hausdorff_distance", "compute_surface_dice"},
    "itk": {"ITKReader"},
    "nibabel": {"NibabelReader", "LoadImage"},
}
PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "{version}"
description = "{description}"
readme = "README.md"
license = "Apache-2.0"
license-files = ["LICENSE"]
requires-python = ">=3.11"
dependencies = [{dependencies}]

[project.optional-dependencies]
test = [{test}]

[tool.setuptools.packages.find]
include = ["{name}*"]

[tool.pytest.ini_options]
testpaths = ["tests"]
"""


def pack_parts(root: Path, parts: Sequence[str], name: str, version: str, out: Path) -> Path:
    """Make ``<out>/<name>-<version>.zip`` of parts, with all that they import, and return its path.

    The zip is a source distribution: a folder with ``pyproject.toml``, the code, its tests, README and licence.

    Args:
        root: folder that holds ``shared/``, ``tests/``, ``bundles/``, ``requirements.txt`` and ``LICENSE``.
        parts: dotted names of classes, functions or modules, such as ``shared.losses.ParetoFuzzyLoss``.
        name: of the package, which takes the place of `shared` in imports.
        version: of the package.
        out: folder for the zip.

    Raises:
        InputError: no or an unknown part; a name or version that pip or Python does not take; a module imports what is
            neither pinned in ``requirements.txt`` nor installed.
    """
    _check(root, parts, name, version)
    reached = import_closure(root, parts)
    files = import_closure(root, [*parts, *_exported(root, reached)])
    modules = [".".join(file.with_suffix("").parts) for file in files if file.name != "__init__.py"]
    tests = part_tests(root, _exported(root, files), modules, name)
    pins = _pins(root / "requirements.txt")
    needed = _requirements(files, pins)
    for_tests = _requirements({Path(path): text.encode() for path, text in tests.items()}, pins, name)
    archive = f"{name}-{version}.zip"
    packed = {f"{name}/{file.relative_to('shared').as_posix()}": content for file, content in files.items()}
    packed |= {path: text.encode() for path, text in tests.items()}
    packed["LICENSE"] = (root / "LICENSE").read_bytes()
    packed["README.md"] = part_readme(root, parts, files, name, archive).encode()
    packed["pyproject.toml"] = PROJECT.format(
        name=name,
        version=version,
        description=", ".join(part.rpartition(".")[2] for part in parts),
        dependencies=", ".join(f'"{requirement}"' for requirement in needed),
        test=", ".join(f'"{requirement}"' for requirement in for_tests if requirement not in needed),
    ).encode()
    write_zip(out / archive, f"{name}-{version}", packed)
    return out / archive


def _check(root: Path, parts: Sequence[str], name: str, version: str) -> None:
    if not parts:
        raise InputError("--parts: name at least one part, such as shared.losses.ParetoFuzzyLoss.")
    pins = _pins(root / "requirements.txt")
    installed = {top for top, distributions in _distributions().items() if {*distributions} & {*pins}}
    if not re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", name):
        raise InputError(f"--name {name}: expected small letters, digits and underscores, such as my_parts.")
    if name in {*sys.stdlib_module_names, *installed, "shared", "ci", "tests"}:
        raise InputError(f"--name {name}: there is a package of this name; choose another one.")
    if not re.fullmatch(r"\d+(\.\d+)*", version):
        raise InputError(f"--version {version}: expected numbers with points, such as 0.1.0.")
    for part in parts:
        try:
            definition(root, part)
        except InputError:
            folders = [f"shared.{init.parent.name}" for init in (root / "shared").glob("*/__init__.py")]
            known = [f"{folder}.{export}" for folder in folders for export in exports(root, folder)]
            near = difflib.get_close_matches(part, known, n=1)
            advice = f"did you mean {near[0]}?" if near else "the files shared/*/__init__.py list all parts."
            raise InputError(f"--parts {part}: no such part; {advice}") from None


def _exported(root: Path, files: Iterable[Path]) -> list[str]:
    """Return the dotted names that the folders of these modules export and these modules define."""
    files = set(files)
    folders = {".".join(file.parent.parts) for file in files}
    return [
        f"{folder}.{name}"
        for folder in sorted(folders)
        for name, target in exports(root, folder).items()
        if Path(*definition(root, target)[0].split(".")).with_suffix(".py") in files
    ]


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def _pins(requirements: Path) -> dict[str, str]:
    """Return {distribution: version} of a file of exact requirements."""
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", requirements.read_text(encoding="utf-8"), re.MULTILINE))


def _requirements(files: Mapping[Path, bytes], pins: Mapping[str, str], package: str = "shared") -> list[str]:
    """Return the distributions that modules import, at least in the versions that are tested here.

    Raises:
        InputError: a module imports what is neither pinned nor installed.
    """
    distributions, needed = _distributions(), set()
    own = {package, *sys.stdlib_module_names, *(file.stem for file in files)}
    for file, content in files.items():
        tree = ast.parse(content)
        for top in {top for top in _imports(tree) if top not in own}:
            found = [name for name in (top, *distributions.get(top, [])) if name in pins] or distributions.get(top)
            if not found:
                raise InputError(
                    f"{file.as_posix()} imports {top}, which is not installed; pin it in requirements.txt."
                )
            needed.add(f"{found[0]}>={pins.get(found[0]) or importlib.metadata.version(found[0])}")
    return sorted(needed)


def _imports(tree: ast.Module) -> set[str]:
    """Return the top-level packages that a module imports, wherever in the file, or has MONAI import."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
            if found & {"monai"}:
                names = {alias.name for alias in node.names}
                found |= {package for package, used in BEHIND_MONAI.items() if names & used}
    return found
