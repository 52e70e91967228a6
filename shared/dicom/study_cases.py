"""Make the one case of a folder of DICOM files: a study whose series are identified by rules."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data import find_mri_cases
from ..errors import InputError
from .choose_series import Choice, choose_series
from .headers import Header, read_headers
from .one_study import check_one_study, name_of_study
from .series_rules import series_rules
from .series_together import check_together
from .stacks import find_stacks

__all__ = ["find_cases_or_study", "study_cases"]


def find_cases_or_study(
    dataset_dir: str | os.PathLike,
    modalities: Sequence[str],
    layout: str | Mapping[str, str],
    dicom_dir: str | os.PathLike | None,
    rules: Mapping[str, Mapping[str, Any]],
    series: Mapping[str, Any],
    resample: bool = False,
) -> list[dict[str, Any]]:
    """List the cases of a data set (`find_mri_cases`), or the one of a DICOM study (`study_cases`) where that is given.

    Args:
        dataset_dir: folder of a data set.
        modalities: names of the modalities.
        layout: how its files are named.
        dicom_dir: folder of a study.
        rules: see `study_cases`.
        series: see `study_cases`.
        resample: see `study_cases`.

    Raises:
        InputError: both folders are given, or `series` without a study.
    """
    if dicom_dir is None:
        if series:
            raise InputError("--series: names series of a DICOM study; give its folder with --dicom_dir.")
        return find_mri_cases(dataset_dir, modalities, layout)
    if os.fspath(dataset_dir):
        raise InputError("--dicom_dir and --dataset_dir are both given; give one of them.")
    return study_cases(dicom_dir, modalities, rules, series, resample)


def study_cases(
    dicom_dir: str | os.PathLike,
    modalities: Sequence[str],
    rules: Mapping[str, Mapping[str, Any]],
    series: Mapping[str, Any] | None = None,
    resample: bool = False,
) -> list[dict[str, Any]]:
    """Read the headers of a study and choose a series for every modality.

    Files may be in any order and in any folders below `dicom_dir`, with other files among them. Which series is which
    modality, and why, is in the log and in the case's "dicom", a JSON text for the record. Neither holds data of the
    patient.

    Args:
        dicom_dir: folder of the study.
        modalities: names of the modalities.
        rules: {modality: entries of a `SeriesRule`}.
        series: {modality: number, description or UID of its series, or None to leave the modality out}.
        resample: series on several grids will be brought onto one.

    Returns:
        One case: "case" (a hash of the study's UID), a list of files per modality, in the order of the slices, and
        "dicom".

    Raises:
        InputError: no MR; several patients or studies; no series or two that fit; a series that is no even stack; two
            frames of reference or, without `resample`, two grids.
    """
    folder = Path(dicom_dir).expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of a DICOM study with --dicom_dir.")
    headers, others = read_headers(folder)
    _check_study(headers, others)
    stacks = find_stacks(headers)
    chosen, left = choose_series(stacks, series_rules(rules, modalities), series or {})
    for choice in chosen.values():
        choice.stack.check()
    check_together(chosen, resample)
    case = name_of_study(headers[0].study)
    _log(case, chosen, left, modalities)
    note = {
        "series": {name: _note(choice) for name, choice in chosen.items()},
        "not_taken": left,
        "files": {"dicom": len(headers), "other": len(others)},
    }
    files = {name: [str(header.path) for header in choice.stack.headers] for name, choice in chosen.items()}
    return [{"case": case, "patient": case, **files, "dicom": json.dumps(note)}]


def _check_study(headers: Sequence[Header], others: Sequence[str]) -> None:
    """Refuse a folder without MR, and one of several patients or studies."""
    check_one_study(headers, others)
    if not any(header.is_mr for header in headers):
        kinds = ", ".join(sorted({header.kind or "unknown" for header in headers}))
        raise InputError(f"dicom_dir: holds no MR images, only {kinds}; give a study of MR.")


def _log(
    case: str, chosen: Mapping[str, Choice], left: Mapping[str, Mapping[str, str]], modalities: Sequence[str]
) -> None:
    logger = logging.getLogger(__name__)
    for name in modalities:
        if name in chosen and chosen[name].doubt:
            logger.warning(
                "%s: %s is %s, since --series says so, but: %s.", case, name, chosen[name].stack, chosen[name].doubt
            )
        elif name in chosen:
            logger.info("%s: %s is %s: %s.", case, name, chosen[name].stack, chosen[name].why)
        elif name in left:
            reasons = "; ".join(f"{series}: {why}" for series, why in left[name].items())
            logger.warning("%s: %s is absent (%s).", case, name, reasons)
        else:
            logger.warning("%s: %s is absent, since --series says so.", case, name)


def _note(choice: Choice) -> dict[str, Any]:
    stack = choice.stack
    return {
        "number": stack.number,
        "description": stack.first.description,
        "uid": stack.first.series,
        "slices": stack.num_slices,
        "why": choice.why,
    }
