"""Find the files of every case in a folder of MR images of any organ."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.utils import ensure_tuple

from ..errors import InputError
from .file_patterns import case_of_file
from .layout_advice import advise_layout, nothing_found
from .layouts import KNOWN_LAYOUTS, NOT_MODALITIES, read_layout
from .missing_labels import missing_label

__all__ = ["find_mri_cases"]

# The patient in a case's name: BraTS 2017 to 2019 number a patient's scans _1, _2, ..., from 2023 on -000, -001, ...
PATIENTS = re.compile(r"(?i)^(?:(brats1\d_.+)_\d+|(brats-.+-\d+)-\d+)$")


def find_mri_cases(
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
            (whose test images are listed only where no label is needed); "nnunet", a raw folder of nnU-Net with its
            `dataset.json`, or one of its folders of images; or one pattern per modality, "label" and
            "brain" (a brain mask), for example `{"flair": "{case}/Flair_*.nii.gz", "label": "{case}/truth.nii.gz"}`:
            {case} is the case's name, * anything without a slash, **/ any folders, [...] may be missing, and a slash
            at the end names a folder with one DICOM series.
        needs_label: look for labels too; a case without one is listed as unusable.
        patient_pattern: regular expression whose first group is the patient's name within the case's, such as
            `(.+)_visit\d`. By default BraTS's own names are understood, in any layout, and any other case is its
            own patient.

    Returns:
        One dictionary per case: "case", "patient", each modality that is there (a path, or [path, channel] in a 4D
        file), and "label" and "brain" where they are there. With `needs_label`, a case that cannot be used (without a
        label, with two files for one modality) has "unusable", the reason: `split_cases` refuses it if a part uses it.

    Raises:
        InputError: no case; or, without `needs_label`, one that cannot be used.
    """
    if not os.fspath(dataset_dir):
        raise InputError("dataset_dir is not given; give the folder that holds the cases with --dataset_dir.")
    root, names = Path(dataset_dir).expanduser(), ensure_tuple(modalities)
    if not names or len(set(names)) < len(names):
        raise InputError(f"modalities: give at least one name and none twice, not {list(names)}.")
    if isinstance(layout, str) and layout not in KNOWN_LAYOUTS:
        hint = " (of 2023 and later: brats2023, and --label_convention)" if layout.startswith("brats") else ""
        known = " or ".join(KNOWN_LAYOUTS)
        raise InputError(f"layout {layout!r} is unknown; choose {known}{hint}, or give a pattern per modality.")
    if root.is_file():
        return [_single_image(root, needs_label)]
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the folder that holds the cases with --dataset_dir.")
    try:
        found, doubtful = read_layout(root, names, needs_label, layout)
    except InputError as error:
        advice = advise_layout(root, names, layout, needs_label) if isinstance(layout, str) else ""
        raise InputError(f"{error} {advice}".strip()) from error
    cases = {case: files for case, files in sorted(found.items()) if any(name in files for name in names)}
    if not cases:
        raise InputError(nothing_found(root, names, layout, needs_label, len(found)))
    if len(cases) < len(found):
        logging.getLogger(__name__).warning(
            "%d of %d cases have none of %s and are left out.", len(found) - len(cases), len(found), ", ".join(names)
        )
    items = [_item(case, files, names, needs_label, patient_pattern, doubtful) for case, files in cases.items()]
    unusable = [item["unusable"] for item in items if "unusable" in item]
    if unusable and not needs_label:
        others = f" ({len(unusable)} of {len(items)} cases cannot be used.)" if len(unusable) > 1 else ""
        raise InputError(f"{unusable[0]}{others}")
    return items


def _item(
    case: str,
    files: Mapping[str, Any],
    names: Sequence[str],
    needs_label: bool,
    patient_pattern: str | None,
    doubtful: Mapping[str, str],
) -> dict[str, Any]:
    """Make the dictionary of one case, with "unusable" where something is wrong with it."""
    kept = {key: files[key] for key in (*names, *NOT_MODALITIES) if key in files}
    patient = _patient_of(case, patient_pattern)
    reason = doubtful.get(case)
    if reason is None and patient is None:
        reason = f"patient_pattern {patient_pattern!r}: finds no patient in the name of case {case}; correct it."
    if reason is None and needs_label and "label" not in kept:
        reason = missing_label(case, kept)
    return {"case": case, "patient": patient or case, **kept} | ({"unusable": reason} if reason else {})


def _single_image(path: Path, needs_label: bool) -> dict[str, Any]:
    if needs_label:
        raise InputError(f"{path}: one image has no label; give the folder that holds images and labels.")
    case = case_of_file(path)
    return {"case": case, "patient": case, "image": str(path)}


def _patient_of(case: str, pattern: str | None) -> str | None:
    """Return the patient in a case's name, or None where the given pattern finds none."""
    if not pattern:
        of_brats = PATIENTS.match(case)
        return of_brats[1] or of_brats[2] if of_brats else case
    try:
        match = re.search(pattern, case)
        return match[1] or None if match else None
    except (re.error, IndexError, TypeError) as error:
        raise InputError(f"patient_pattern {pattern!r}: not a regular expression with a group ({error}).") from error
