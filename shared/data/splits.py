"""Split cases into training, validation and test, by patient."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.data import partition_dataset

from ..errors import InputError

__all__ = ["PARTS", "count_cases_sharing", "split_cases"]

PARTS = ("train", "validation", "test")


def split_cases(
    cases: Sequence[Mapping[str, Any]],
    fractions: Sequence[float] = (0.7, 0.1, 0.2),
    seed: int = 0,
    num_folds: int | None = None,
    fold: int = 0,
    files: Mapping[str, str | os.PathLike | None] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Split cases into "train", "validation" and "test", each sorted by name.

    All cases of a patient go to one part. The part depends on the patients' names and the seed alone, not on the order
    of the cases: all methods with the same folder and seed have the same split.

    Args:
        cases: items with "case" and "patient" (without it the case is its own patient).
        fractions: shares of the patients in the three parts, summing to one. A part whose share is not zero gets at
            least one patient.
        seed: chooses the split.
        num_folds: k of a k-fold cross-validation: the test part is one fold, and the rest is shared between training
            and validation as their two fractions are to each other.
        fold: which fold is the test part, from 0.
        files: instead of drawing, take "train", "validation" and "test" from text files with one case per line; a part
            without a file is empty, and a case in no file is in no part.

    Raises:
        InputError: too few patients, files that name an unknown case or a case twice, or a case in a part that
            `find_mri_cases` found to be "unusable".
    """
    by_name = {str(item.get("case")): dict(item) for item in cases}
    if len(by_name) < len(cases) or "None" in by_name:
        raise InputError(f'{len(cases)} cases but {len(by_name)} names: give every case a "case" of its own.')
    if files is not None:
        return _all_usable(_read_split(by_name, files))
    patients = sorted({str(item.get("patient", name)) for name, item in by_name.items()})
    drawn = _draw_folds(patients, fractions, seed, num_folds, fold) if num_folds else _draw(patients, fractions, seed)
    return _all_usable(
        {
            part: [item for name, item in sorted(by_name.items()) if str(item.get("patient", name)) in drawn[part]]
            for part in PARTS
        }
    )


def count_cases_sharing(tested: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], key: str) -> int:
    """Count the tested cases that share a patient or a near-duplicate with one of the others.

    A score on them says little about new patients, and should be reported with this count.

    Args:
        tested: items with `key`.
        others: items with `key`, such as those trained on.
        key: "patient", "group".
    """
    known = {str(case[key]) for case in others}
    return sum(str(case[key]) in known for case in tested)


def _all_usable(parts: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    used = [item for items in parts.values() for item in items]
    unusable = [item["unusable"] for item in used if "unusable" in item]
    if unusable:
        raise InputError(
            f"{len(unusable)} of {len(used)} cases in use cannot be used: {unusable[0]} Or leave such cases out: "
            "list the others with --split_files."
        )
    return parts


def _draw(patients: Sequence[str], fractions: Sequence[float], seed: int) -> dict[str, list[str]]:
    _check_fractions(fractions)
    shuffled = partition_dataset(patients, num_partitions=1, shuffle=True, seed=seed)[0] if patients else []
    return _cut(shuffled, fractions)


def _draw_folds(
    patients: Sequence[str], fractions: Sequence[float], seed: int, num_folds: int, fold: int
) -> dict[str, list[str]]:
    _check_fractions(fractions)
    if num_folds < 2 or not 0 <= fold < num_folds:
        raise InputError(
            f"num_folds {num_folds}, fold {fold}: expected at least 2 folds, and a fold from 0 to num_folds - 1."
        )
    if len(patients) < num_folds:
        raise InputError(f"num_folds {num_folds}: needs as many patients, found {len(patients)}; take fewer folds.")
    if fractions[0] + fractions[1] == 0:
        raise InputError(f"fractions {list(fractions)}: give training or validation a share above 0.")
    folds = partition_dataset(patients, num_partitions=num_folds, shuffle=True, seed=seed)
    rest = [patient for index, others in enumerate(folds) if index != fold for patient in others]
    return {**_cut(rest, (*fractions[:2], 0)), "test": folds[fold]}


def _cut(patients: Sequence[str], fractions: Sequence[float]) -> dict[str, list[str]]:
    """Cut a list into three: one patient for every part with a share, the others to where most is missing."""
    shares = [fraction / sum(fractions) for fraction in fractions]
    counts = [int(share > 0) for share in shares]
    if len(patients) < sum(counts):
        raise InputError(
            f"fractions {list(fractions)}: {sum(counts)} parts need at least {sum(counts)} patients, found "
            f"{len(patients)}; give more cases, or a part the fraction 0."
        )
    while sum(counts) < len(patients):
        missing = [round(share * len(patients) - count, 9) for share, count in zip(shares, counts, strict=True)]
        counts[max(range(len(counts)), key=lambda part: (missing[part], part))] += 1
    first, second = counts[0], counts[0] + counts[1]
    return dict(zip(PARTS, (patients[:first], patients[first:second], patients[second:]), strict=True))


def _check_fractions(fractions: Sequence[float]) -> None:
    if len(fractions) != len(PARTS) or min(fractions) < 0 or abs(sum(fractions) - 1) > 0.01:
        raise InputError(f"fractions {list(fractions)}: give three shares ({', '.join(PARTS)}) that sum to one.")


def _read_split(
    by_name: Mapping[str, dict[str, Any]], files: Mapping[str, str | os.PathLike | None]
) -> dict[str, list[dict[str, Any]]]:
    if unknown := set(files) - set(PARTS):
        raise InputError(f"split file for {sorted(unknown)[0]!r}: the parts are called {', '.join(PARTS)}.")
    place: dict[str, str] = {}
    for part, path in files.items():
        for name in _read_names(path) if path is not None else []:
            if name not in by_name:
                raise InputError(f"{path}: case {name} is not among the {len(by_name)} cases found; correct the list.")
            if name in place:
                raise InputError(f"{path}: case {name} is listed twice, here and for {place[name]}; remove one.")
            place[name] = part
    _warn_of_shared_patients(by_name, place)
    return {part: [by_name[name] for name in sorted(place) if place[name] == part] for part in PARTS}


def _read_names(path: str | os.PathLike) -> list[str]:
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8-sig").splitlines()  # Windows marks the beginning
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list of cases ({error}); give one case per line.") from error
    return [line.strip() for line in lines if line.strip()]


def _warn_of_shared_patients(by_name: Mapping[str, Mapping[str, Any]], place: Mapping[str, str]) -> None:
    """Lists are taken as they are (some published ones mix patients), but not without a word."""
    parts: dict[str, set[str]] = {}
    for name, part in place.items():
        parts.setdefault(str(by_name[name].get("patient", name)), set()).add(part)
    shared = sorted(patient for patient, found in parts.items() if len(found) > 1)
    if shared:
        logging.getLogger(__name__).warning(
            "The lists put cases of one patient into several parts: %s.", ", ".join(shared)
        )
