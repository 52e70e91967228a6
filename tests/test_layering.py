"""Imports inside shared/ are relative and point one way: towards the folders that depend on nothing here."""

import ast
from pathlib import Path

import pytest

BOTTOM = {"errors", "atomic_write", "quiet"}
MAY_IMPORT = {
    "errors": set(),
    "metrics": set(),
    "networks": set(),
    "pictures": set(),
    "transforms": {"networks", "metrics", "pictures"},
    "data": {"networks", "metrics", "pictures"},
    "phantoms": {"networks", "metrics", "pictures"},
    "losses": {"transforms", "data", "phantoms", "networks", "metrics"},
    "dicom": {"transforms", "data", "phantoms", "networks", "metrics"},
    "reports": {"transforms", "data", "phantoms", "networks", "metrics"},
    "inferers": {"reports", "losses", "transforms", "data", "phantoms", "networks", "metrics", "pictures"},
    "handlers": {"reports", "losses", "transforms", "data", "phantoms", "networks", "metrics"},
}


def absolute_names(module: Path) -> list[str]:
    package = list(module.parent.parts)
    names = []
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names.append(".".join([*base, *(node.module or "").split(".")]).rstrip("."))
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] != "shared", f"{module}: write this import relatively"
        elif isinstance(node, ast.Import):
            assert all(alias.name.split(".")[0] != "shared" for alias in node.names), f"{module}: import relatively"
    return names


@pytest.mark.parametrize("module", sorted(Path("shared").glob("*/*.py")), ids=str)
def test_imports_point_downwards(module):
    folder = module.parts[1]
    reached = {name.split(".")[1] for name in absolute_names(module) if name.startswith("shared.")} - {folder}
    assert reached <= MAY_IMPORT[folder] | BOTTOM


def test_modules_were_found():
    assert len(list(Path("shared").glob("*/*.py"))) > 10


def test_tests_share_builders_and_no_test_file_imports_another():
    """A module of builders next to the tests is found in a part's package as well."""
    for module in sorted(Path("tests").rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith("test_")], module


def test_nothing_heavy_is_imported_with_a_module():
    """What only figures, tables or logs need is imported in functions: inference of a packed bundle does without."""
    heavy = {"matplotlib", "pandas", "tensorboard", "torch.utils.tensorboard", "skimage", "nilearn"}
    heavy |= {"pydicom", "highdicom"}
    for module in Path("shared").glob("*/*.py"):
        for node in ast.parse(module.read_text()).body:
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")]
            )
            assert not [name for name in names if {name, (name or "").split(".")[0]} & heavy], module


def test_nothing_that_a_bundle_packs_can_open_a_connection():
    """The watcher of an archive is a command in ci/ that starts the bundle; the bundle's own code has no network."""
    network = {"socket", "urllib", "http", "requests", "ssl", "ftplib", "asyncio"}
    for module in Path("shared").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not {name.split(".")[0] for name in names} & network, module
