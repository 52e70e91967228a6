"""What the numbers in a published label map mean, and which numbers a case's name promises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from ..errors import InputError

__all__ = [
    "LABEL_TABLES",
    "LabelTable",
    "conventions_of_name",
    "describe_conventions",
    "find_convention",
    "label_table",
    "values_of_classes",
]


@dataclass(frozen=True)
class LabelTable:
    """The label numbers of all data sets that show one thing.

    Attributes:
        classes: what the classes here are, in words.
        last_class: the greatest of them. A convention with a greater one is for networks with further classes: no error
            advises it.
        meanings: convention -> value in the file -> class here, what it is.
        names: regular expression in the name of a case or a folder -> conventions that its numbers may follow.
        case_names: the same in the name of a case only: folders of data that were converted keep their old names.
        words: regular expression in the name of a label, in small letters -> class here; the first that fits counts.
    """

    classes: str
    last_class: int
    meanings: Mapping[str, Mapping[int, tuple[int, str]]]
    names: Mapping[str, tuple[str, ...]]
    case_names: Mapping[str, tuple[str, ...]]
    words: Mapping[str, int]

    @property
    def mappings(self) -> dict[str, dict[int, int]]:
        """Convention -> value in the file -> class here, the background included."""
        return {
            name: {0: 0} | {value: klass for value, (klass, _) in meanings.items()}
            for name, meanings in self.meanings.items()
        }


# classes of brain tumours here: 0 background, 1 necrosis or non-enhancing tumour, 2 oedema, 3 enhancing tumour
# A resection cavity belongs to none of WT, TC and ET: it becomes background, or class 4 of a network that has it.
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
    "brats2024_cavity": _BRATS2023 | {4: (4, "resection cavity")},  # both, for five classes
    "brats_pediatric": {1: _ENHANCING, 2: (1, "non-enhancing tumour"), 3: (1, "cyst"), 4: _OEDEMA},
    "brats_men_rt": {1: (1, "gross tumour volume")},  # one class: WT and TC are the same
    "msd": {1: _OEDEMA, 2: (1, "non-enhancing tumour"), 3: _ENHANCING},  # Medical Segmentation Decathlon, Task01
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
_WORDS = {
    r"backgr": 0,
    r"necro|non.?enh|cyst|\b(ncr|netc?|cc)\b": 1,
    r"o?edema|\b(ed|snfh)\b": 2,
    r"enhanc|\b(et|at)\b": 3,
    r"whole|\bwt\b": 2,  # nnU-Net's nested regions: what each adds to the smaller ones
    r"core|\btc\b": 1,
}

_PERIPHERAL, _TRANSITION = (1, "peripheral zone"), (2, "transition zone")
LABEL_TABLES = {
    "brain_tumour": LabelTable(
        "0 background, 1 necrosis, 2 oedema, 3 enhancing",
        last_class=3,
        meanings=_MEANINGS,
        names=_NAMES,
        case_names=_OLD_NAMES,
        words=_WORDS,
    ),
    "prostate_zones": LabelTable(
        "0 background, 1 peripheral zone, 2 transition zone",
        last_class=2,
        meanings={
            "msd": {1: _PERIPHERAL, 2: _TRANSITION},  # Medical Segmentation Decathlon, Task05
            "prostate158": {1: (2, "central gland, transition zone"), 2: _PERIPHERAL},
        },
        names={r"(?i)prostate[-_ ]?158": ("prostate158",)},
        case_names={},
        words={r"backgr": 0, r"periph|\bpz\b": 1, r"transit|central|\b(tz|cg)\b": 2},
    ),
}


def label_table(name: str) -> LabelTable:
    """Return one of `LABEL_TABLES`."""
    if name not in LABEL_TABLES:
        raise ValueError(f"table: expected one of {', '.join(LABEL_TABLES)}, got {name!r}.")
    return LABEL_TABLES[name]


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
