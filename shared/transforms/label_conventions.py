"""What the numbers in a published brain-tumour label map mean, and which numbers a case's name promises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from ..errors import InputError

__all__ = ["LABEL_CONVENTIONS", "conventions_of_name", "describe_conventions", "find_convention"]

# classes here: 0 background, 1 necrosis or non-enhancing tumour, 2 oedema, 3 enhancing tumour
# A resection cavity belongs to none of WT, TC and ET: it becomes background. Its own class needs a mapping.
_CORE = (1, "necrosis and non-enhancing tumour")
_OEDEMA, _ENHANCING, _CAVITY = (2, "oedema"), (3, "enhancing tumour"), (0, "resection cavity")
_BRATS2023 = {1: _CORE, 2: _OEDEMA, 3: _ENHANCING}
_MEANINGS: dict[str, dict[int, tuple[int, str]]] = {  # value in the file -> class here, what it is
    "brats2013": {1: (1, "necrosis"), 2: _OEDEMA, 3: (1, "non-enhancing tumour"), 4: _ENHANCING},
    "brats2021": {1: _CORE, 2: _OEDEMA, 4: _ENHANCING},  # 2017 to 2021: 3 is left out
    "brats2023": _BRATS2023,  # glioma before treatment, and the other challenges of that year
    "brats_africa": _BRATS2023,
    "brats_meningioma": _BRATS2023,
    "brats2024_glioma": _BRATS2023 | {4: _CAVITY},  # after treatment
    "brats2025_metastases": _BRATS2023 | {4: _CAVITY},
    "brats_pediatric": {1: _ENHANCING, 2: (1, "non-enhancing tumour"), 3: (1, "cyst"), 4: _OEDEMA},
    "brats_men_rt": {1: (1, "gross tumour volume")},  # one class: WT and TC are the same
    "msd": {1: _OEDEMA, 2: (1, "non-enhancing tumour"), 3: _ENHANCING},  # Medical Segmentation Decathlon, Task01
}
LABEL_CONVENTIONS: dict[str, dict[int, int]] = {
    name: {0: 0} | {value: klass for value, (klass, _) in meanings.items()} for name, meanings in _MEANINGS.items()
}

_CHALLENGE = r"(?i)brats(?:.*(?<![a-z]))?({})(?![a-z])"  # BraTS-PED-00001-000, BraTSPED, but not brats2021_cropped
_NAMES = {  # regular expression in the name of a case or a folder -> conventions that its numbers may follow
    _CHALLENGE.format("men[-_]?rt"): ("brats_men_rt",),
    _CHALLENGE.format("peds?|pa?ediatrics?"): ("brats_pediatric",),
    _CHALLENGE.format("men|meningiomas?"): ("brats_meningioma", "brats2023"),
    _CHALLENGE.format("mets?|metastas[ei]s"): ("brats2025_metastases", "brats2023"),
    _CHALLENGE.format("ssa|africa"): ("brats_africa", "brats2023"),
    _CHALLENGE.format("gli") + r"\D+\d+-[1-9]\d\d(?!\d)": ("brats2024_glioma",),  # scans after treatment: -100, ...
    _CHALLENGE.format("gli|gliomas?"): ("brats2023", "brats2024_glioma"),
}
_OLD_NAMES = {  # in the name of a case only: folders of data that were converted keep their old names
    r"(?i)^brats[-_]?(20)?(17|18|19|20|21)(?!\d)": ("brats2021",),
    r"(?i)^brats[-_]?(20)?(12|13|14|15)(?!\d)": ("brats2013", "brats2021"),
}


def find_convention(
    convention: str | Mapping[int | str, int] | None, layout: str | Mapping[str, str] | None = None
) -> tuple[str, dict[int, int]]:
    """Return the name of a convention and its mapping from value to class.

    Args:
        convention: a name, a mapping, or None for that of the layout.
        layout: the name of a layout, or its patterns, which say nothing about numbers.

    Raises:
        InputError: an unknown name, no mapping from whole numbers to classes from 0 to 127, or None where the layout
            has no convention of its own.
    """
    known = ", ".join(LABEL_CONVENTIONS)
    if convention is None and not (isinstance(layout, str) and layout in LABEL_CONVENTIONS):
        given = f"layout {layout}" if isinstance(layout, str) else "a layout given as patterns"
        raise InputError(f"{given} does not say what a label's numbers mean; give --label_convention: {known}.")
    named = layout if convention is None else convention
    if isinstance(named, str) and named not in LABEL_CONVENTIONS:
        raise InputError(f"label convention {named!r} is unknown; choose one of {known}, or give a mapping.")
    if isinstance(named, str):
        return named, LABEL_CONVENTIONS[named]
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


def conventions_of_name(case: str, path: str) -> tuple[str, ...]:
    """Return the conventions that a label's numbers may follow by its case's name or its folders; () if none says.

    The innermost name counts: BraTS-PED-..., -MET-, -MEN-, -MEN-RT-, -SSA-, -GLI-; BraTS2021_... and older.
    """
    for pattern, conventions in _OLD_NAMES.items():
        if re.search(pattern, case):
            return conventions
    for part in (case, *reversed(PurePath(path).parts)):
        for pattern, conventions in _NAMES.items():
            if re.search(pattern, part):
                return conventions
    return ()


def describe_conventions(names: Iterable[str], values: Iterable[int]) -> str:
    """Say what every value but 0 becomes under each convention; conventions that say the same are named together."""
    readings: dict[str, list[str]] = {}
    for name in names:
        meanings = [(value, *_MEANINGS[name][value]) for value in sorted(values) if value in _MEANINGS[name]]
        readings.setdefault(", ".join(f"{value} {text} -> {klass}" for value, klass, text in meanings), []).append(name)
    return "; ".join(f"{'/'.join(same)} ({reading})" for reading, same in readings.items())
