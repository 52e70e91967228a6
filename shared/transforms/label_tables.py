"""What the numbers in published label maps mean, and which numbers a case's name promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["LABEL_TABLES", "LabelTable", "label_table"]


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
