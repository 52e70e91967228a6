"""Find a packed bundle below a folder of models, and its own library."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["CONFIG", "find_bundle", "library_of"]

CONFIG = Path("configs", "inference.json")


def find_bundle(models: Path) -> Path:
    """Return the packed bundle that a folder is, or the only one in it, as in an application package.

    Raises:
        ValueError: there is none, or several.
    """
    if (models / CONFIG).is_file():
        return models.resolve()
    found = sorted(path.parents[1] for path in models.glob(f"*/{CONFIG}"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ValueError(f"{models}: expected a packed bundle, or a folder with one, found {names}; correct --model.")
    return found[0].resolve()


def library_of(bundle: Path, part: str) -> ModuleType:
    """Import a part of a packed bundle's library, such as "inferers".

    Raises:
        ValueError: the bundle is not packed, as in the repository.
    """
    found = sorted(bundle.glob("*_lib"))
    if len(found) != 1:
        raise ValueError(f"{bundle}: has no library of its own; pack it first: python -m ci pack {bundle} --out dist.")
    if str(bundle) not in sys.path:
        sys.path.insert(0, str(bundle))
    return importlib.import_module(f"{found[0].name}.{part}")
