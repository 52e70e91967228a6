"""Find the convention of a label map: by its name, by the layout, or by the case's name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from ..errors import InputError
from .label_tables import LABEL_TABLES, LabelTable

__all__ = ["conventions_of_name", "describe_conventions", "find_convention", "values_of_classes"]


def find_convention(
    convention: str | Mapping[int | str, int] | None,
    layout: str | Mapping[str, str] | None = None,
    table: LabelTable = LABEL_TABLES["brain_tumour"],
) -> tuple[str, dict[int, int]]:
    """Return the name of a convention and its mapping from value to class.

    Args:
        convention: a name, a mapping, or None for that of the layout.
        layout: the name of a layout, or its patterns, which say nothing about numbers.
        table: of what the labels show.

    Raises:
        InputError: an unknown name, no mapping from whole numbers to classes from 0 to 127, or None where the layout
            has no convention of its own.
    """
    mappings = table.mappings
    known = ", ".join(mappings)
    if convention is None and not (isinstance(layout, str) and layout in mappings):
        given = f"layout {layout}" if isinstance(layout, str) else "a layout given as patterns"
        raise InputError(f"{given} does not say what a label's numbers mean; give --label_convention: {known}.")
    named = layout if convention is None else convention
    if isinstance(named, str) and named not in mappings:
        raise InputError(f"label convention {named!r} is unknown; choose one of {known}, or give a mapping.")
    if isinstance(named, str):
        return named, mappings[named]
    try:
        mapping = {int(value): int(klass) for value, klass in named.items()}  # JSON keys are text
    except (AttributeError, TypeError, ValueError):
        mapping = {}
    if not mapping or not all(0 <= klass <= 127 for klass in mapping.values()):
        raise InputError(
            f"label convention {named}: give a mapping from value to class (0 to 127), or one of {known} "
            "(--label_convention)."
        )
    return "given in the config", mapping


def values_of_classes(
    label_convention: str | Mapping[int | str, int] | None, layout: str | Mapping[str, str] | None = None
) -> list[int]:
    """Return the number of each class of a brain tumour in a label, for labels that go with those of a data set.

    Args:
        label_convention: see `find_convention`.
        layout: see `find_convention`.

    Raises:
        InputError: the convention has no number for one of the classes, or one for a class that is not painted.
    """
    name, mapping = find_convention(label_convention, layout)
    last = LABEL_TABLES["brain_tumour"].last_class
    if max(mapping.values()) > last:
        raise InputError(
            f"label convention {name}: has classes above {last}, which painted brains do not have (their resection "
            "cavities are background); train without painted brains, or give another --label_convention."
        )
    values = {klass: value for value, klass in sorted(mapping.items(), reverse=True)}  # of several the least
    if missing := [klass for klass in range(4) if klass not in values]:
        raise InputError(
            f"label convention {name}: no number means class {missing[0]} ({LABEL_TABLES['brain_tumour'].classes}), "
            "but painted labels have all classes; give --label_convention with all of them."
        )
    return [values[klass] for klass in range(4)]


def conventions_of_name(case: str, path: str, table: LabelTable = LABEL_TABLES["brain_tumour"]) -> tuple[str, ...]:
    """Return the conventions that a label's numbers may follow by its case's name or its folders; () if none says.

    The innermost name counts: BraTS-PED-..., -MET-, -MEN-, -MEN-RT-, -SSA-, -GLI-; BraTS2021_... and older.

    Args:
        case: its name.
        path: of its label.
        table: of what the labels show.
    """
    for pattern, conventions in table.case_names.items():
        if re.search(pattern, case):
            return conventions
    for part in (case, *reversed(PurePath(path).parts)):
        for pattern, conventions in table.names.items():
            if re.search(pattern, part):
                return conventions
    return ()


def describe_conventions(
    names: Iterable[str], values: Iterable[int], table: LabelTable = LABEL_TABLES["brain_tumour"]
) -> str:
    """Say what every value but 0 becomes under each convention; conventions that say the same are named together."""
    readings: dict[str, list[str]] = {}
    for name in names:
        known = table.meanings[name]
        meanings = [(value, *known[value]) for value in sorted(values) if value in known]
        readings.setdefault(", ".join(f"{value} {text} -> {klass}" for value, klass, text in meanings), []).append(name)
    return "; ".join(f"{'/'.join(same)} ({reading})" for reading, same in readings.items())
