"""Find the files of every case in a folder."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.utils import ensure_tuple

from ..errors import InputError
from .file_patterns import match_files, paths_below
from .msd_listing import read_msd_listing

__all__ = ["LAYOUTS", "find_cases"]

LAYOUTS: dict[str, dict[str, str]] = {  # see file_patterns.py for how to read them
    "brats2021": {
        "t1": "**/{case}_t1.nii[.gz]",
        "t1ce": "**/{case}_t1ce.nii[.gz]",
        "t2": "**/{case}_t2.nii[.gz]",
        "flair": "**/{case}_flair.nii[.gz]",
        "label": "**/{case}_seg.nii[.gz]",
    },
    "brats2023": {
        "t1": "**/{case}-t1n.nii[.gz]",
        "t1ce": "**/{case}-t1c.nii[.gz]",
        "t2": "**/{case}-t2w.nii[.gz]",
        "flair": "**/{case}-t2f.nii[.gz]",
        "label": "**/{case}-seg.nii[.gz]",
    },
}
MSD = "msd"  # described by its dataset.json instead
KNOWN = (*LAYOUTS, MSD)
NOT_MODALITIES = ("label", "brain")
# The patient in a case's name: BraTS 2017 to 2019 number a patient's scans _1, _2, ..., from 2023 on -000, -001, ...
PATIENTS = {"brats2021": r"(?i)^(brats1\d_.+)_\d+$", "brats2023": r"(?i)^(brats-.+)-\d{3}$"}


def find_cases(
    dataset_dir: str | os.PathLike,
    modalities: str | Sequence[str],
    layout: str | Mapping[str, str] = "brats2021",
    needs_label: bool = False,
    patient_pattern: str | None = None,
) -> list[dict[str, Any]]:
    r"""List the cases in a folder, sorted by name.

    A case is listed when it has at least one of the modalities. Names that begin with a dot are passed over. A folder
    that holds one case alone will do, and so will a single image file (as "image", without a label).

    Args:
        dataset_dir: folder of the data set, of one case, or one image file.
        modalities: names of the modalities that are wanted; others are left out.
        layout: a name in `LAYOUTS`; "msd", a folder with a `dataset.json` as in the Medical Segmentation Decathlon
            (whose test images are listed only where no label is needed); or one pattern per modality, "label" and
            "brain" (a brain mask), for example `{"flair": "{case}/Flair_*.nii.gz", "label": "{case}/truth.nii.gz"}`:
            {case} is the case's name, * anything without a slash, **/ any folders, [...] may be missing, and a slash
            at the end names a folder with one DICOM series.
        needs_label: refuse cases without a label.
        patient_pattern: regular expression whose first group is the patient's name within the case's, such as
            `(.+)_visit\d`. By default BraTS's own names are understood, and any other case is its own patient.

    Returns:
        One dictionary per case: "case", "patient", each modality that is there (a path, or [path, channel] in a 4D
        file), and "label" and "brain" where they are there.
    """
    if not os.fspath(dataset_dir):
        raise InputError("dataset_dir is not given; give the folder that holds the cases with --dataset_dir.")
    root, names = Path(dataset_dir).expanduser(), ensure_tuple(modalities)
    if not names or len(set(names)) < len(names):
        raise InputError(f"modalities: give at least one name and none twice, not {list(names)}.")
    if isinstance(layout, str) and layout not in KNOWN:
        raise InputError(f"layout {layout!r} is unknown; choose {' or '.join(KNOWN)}, or give a pattern per modality.")
    if root.is_file():
        return [_single_image(root, needs_label)]
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the folder that holds the cases with --dataset_dir.")
    if layout == MSD:
        found = read_msd_listing(root, names, needs_label)
    else:
        found = _read_folder(root, names, needs_label, layout)
    cases = {case: files for case, files in sorted(found.items()) if any(name in files for name in names)}
    _check(cases, found, root, names, layout, needs_label)
    return [
        {"case": case, "patient": _patient_of(case, layout, patient_pattern)}
        | {key: files[key] for key in (*names, *NOT_MODALITIES) if key in files}
        for case, files in cases.items()
    ]


def _single_image(path: Path, needs_label: bool) -> dict[str, Any]:
    if needs_label:
        raise InputError(f"{path}: one image has no label; give the folder that holds images and labels.")
    case = Path(path.name.removesuffix(".gz")).stem
    return {"case": case, "patient": case, "image": str(path)}


def _read_folder(
    root: Path, names: Sequence[str], needs_label: bool, layout: str | Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Return {case: {modality, "label", "brain": path}} of every file that fits the layout's patterns."""
    patterns = LAYOUTS[layout] if isinstance(layout, str) else dict(layout)
    unknown = [name for name in names if name not in patterns or name in NOT_MODALITIES]
    if unknown:
        known = ", ".join(name for name in patterns if name not in NOT_MODALITIES)
        raise InputError(f"modality {unknown[0]!r}: {_title(layout)} has no files for it, only for {known}.")
    if needs_label and "label" not in patterns:
        raise InputError(f'{_title(layout)}: has no pattern for the label; add one, such as "label": "{{case}}/*seg*".')
    wanted = {key: pattern for key, pattern in patterns.items() if key in (*names, *NOT_MODALITIES)}
    paths = paths_below(root)
    found = match_files(paths, wanted)
    if not found:  # the folder of one case: match as seen from the folder above
        own_name = os.path.basename(os.path.abspath(root))
        found = match_files({f"{own_name}/{relative}": path for relative, path in paths.items()}, wanted)
    return found


def _check(
    cases: Mapping[str, Mapping],
    found: Mapping[str, Mapping],
    root: Path,
    names: Sequence[str],
    layout: str | Mapping[str, str],
    needs_label: bool,
) -> None:
    """Refuse a folder without a case, or with a case that has no label where one is needed."""
    if not cases:
        raise InputError(_nothing_found(root, names, layout, len(found)))
    if len(cases) < len(found):
        logging.getLogger(__name__).warning(
            "%d of %d cases have none of %s and are left out.", len(found) - len(cases), len(found), ", ".join(names)
        )
    unlabelled = [case for case, files in cases.items() if "label" not in files]
    if needs_label and unlabelled:
        raise InputError(
            f"{root}: {len(unlabelled)} of {len(cases)} cases have no label, the first is {unlabelled[0]}; "
            "add the label files, or move these cases elsewhere."
        )


def _nothing_found(root: Path, names: Sequence[str], layout: str | Mapping[str, str], num_others: int) -> str:
    """Say what was looked for, and which other layout would have found something."""
    wanted = ", ".join(names)
    if num_others:
        return f"{root}: {num_others} cases of {_title(layout)}, but none has {wanted}; choose other --modalities."
    paths = paths_below(root)
    if not paths:
        return f"{root}: the folder is empty; give the folder that holds the cases with --dataset_dir."
    patterns = LAYOUTS.get(layout, {}) if isinstance(layout, str) else layout
    looked_for = ", ".join(patterns[name] for name in names) if patterns else "dataset.json and the images it lists"
    text = f"{root}: no case of {_title(layout)} found (looked for {looked_for});"
    if layout != MSD and "dataset.json" in paths:
        return f"{text} there is a dataset.json: use --layout {MSD}."
    for other in LAYOUTS:
        fitting = len(match_files(paths, {name: LAYOUTS[other][name] for name in names if name in LAYOUTS[other]}))
        if fitting:
            return f"{text} {fitting} case{'s' * (fitting > 1)} would fit another: use --layout {other}."
    return f"{text} correct --dataset_dir, or give --layout a pattern per modality."


def _patient_of(case: str, layout: str | Mapping[str, str], given_pattern: str | None) -> str:
    pattern = given_pattern or (PATIENTS.get(layout) if isinstance(layout, str) else None)
    if pattern is None:
        return case
    try:
        match = re.search(pattern, case)
        patient = match[1] if match else None
    except (re.error, IndexError) as error:
        raise InputError(f"patient_pattern {pattern!r}: not a regular expression with a group ({error}).") from error
    if given_pattern and not patient:
        raise InputError(f"patient_pattern {pattern!r}: finds no patient in the name of case {case}; correct it.")
    return patient or case


def _title(layout: str | Mapping[str, str]) -> str:
    return f"layout {layout}" if isinstance(layout, str) else "the layout given in the config"
