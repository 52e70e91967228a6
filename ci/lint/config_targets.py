"""Find what a `_target_` names, and which arguments it takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pydoc import ErrorDuringImport, locate
from typing import Any

from monai.bundle import ComponentLocator

__all__ = ["arguments_of", "locate_target", "modules_of"]

LOCATOR = ComponentLocator()


def modules_of(target: str) -> list[str]:
    """List the modules of MONAI that define a class or function of this short name."""
    modules = LOCATOR.get_component_module_name(target)
    return [modules] if isinstance(modules, str) else list(modules or [])


@functools.cache
def locate_target(target: str) -> tuple[Any, str]:
    """Return (object, "") for a name as MONAI finds it, or (None, reason)."""
    modules = modules_of(target)
    name = f"{modules[0]}.{target}" if modules else target
    try:
        found = locate(name)
    except ErrorDuringImport as error:
        return None, str(error).splitlines()[0]
    return (found, "") if callable(found) else (None, "no such class or function")


def _parameters(function: Callable) -> dict[str, inspect.Parameter] | None:
    """Return the parameters of a callable, or None where Python cannot tell them."""
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None


def _takes_anything(parameters: dict[str, inspect.Parameter]) -> bool:
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def _named(parameters: dict[str, inspect.Parameter]) -> dict[str, inspect.Parameter]:
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: parameter for name, parameter in parameters.items() if parameter.kind in by_name}


def arguments_of(target: Any) -> tuple[set[str] | None, set[str]]:
    """Return (the arguments that a callable takes by name, those that it needs).

    The first is None where any is taken. A class with `**kwargs` that extends a class of another package (MONAI's
    `DataLoader` that of PyTorch) hands them there, so that they are known after all; so does every class of `shared`.
    """
    parameters = _parameters(target)
    if parameters is None:
        return None, set()
    named = _named(parameters)
    needed = {name for name, parameter in named.items() if parameter.default is parameter.empty}
    if not _takes_anything(parameters):
        return set(named), needed
    package = target.__module__.split(".")[0]
    for parent in inspect.getmro(target)[1:] if inspect.isclass(target) else ():
        inherited = _parameters(parent)
        closed = {"builtins"} if package == "shared" else {"builtins", package}
        gets_them = "__init__" in vars(parent) and parent.__module__.split(".")[0] not in closed
        if gets_them and inherited is not None and not _takes_anything(inherited):
            return set(named) | set(_named(inherited)), needed
    return None, needed
