"""The checks that recognise a raw head, on which the brain bundles are not trained, and how to switch them off.

"air", "volume" and "skull" refuse, "atlas" only says so. That all modalities are on one grid is checked where they are
stacked, and `--resample_modalities True` brings them onto one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError

__all__ = ["BRAIN_CHECKS", "chosen_checks"]

BRAIN_CHECKS = ("air", "volume", "skull", "atlas")


def chosen_checks(checks: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the names of the checks that are on.

    Args:
        checks: {name: False} of those that are off; the others are on.

    Raises:
        InputError: there is no such check, or a value other than True and False.
    """
    given = dict(checks or {})
    if unknown := [name for name in given if name not in BRAIN_CHECKS]:
        raise InputError(f"checks: there is no {unknown[0]!r}, only {', '.join(BRAIN_CHECKS)}; correct it.")
    if wrong := [name for name, value in given.items() if not isinstance(value, bool)]:
        raise InputError(f"checks: {wrong[0]} is {given[wrong[0]]!r}, but True or False is expected.")
    return frozenset(name for name in BRAIN_CHECKS if given.get(name, True))
