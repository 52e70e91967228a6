"""Whether the files of a folder are one study, and how the study is called."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

from ..errors import InputError
from .headers import Header

__all__ = ["check_one_study", "name_of_study"]

ARCHIVES = (".zip", ".tar", ".gz", ".7z", ".rar", ".iso")
HASH_DIGITS = 12


def name_of_study(uid: str) -> str:
    """Return a name that holds nothing of the patient: a hash of the StudyInstanceUID."""
    return "study_" + hashlib.sha256(uid.encode()).hexdigest()[:HASH_DIGITS]


def check_one_study(headers: Sequence[Header], others: Sequence[str]) -> None:
    """Refuse a folder that is not one study of one patient.

    Args:
        headers: of its DICOM files.
        others: names of its other files.

    Raises:
        InputError: no DICOM file, several patients or studies, an image that is there twice, or a file without UIDs.
    """
    if not headers:
        archives = [name for name in others if name.lower().endswith(ARCHIVES)]
        remedy = f"unpack {archives[0]}" if archives else "give the folder of a study"
        raise InputError(f"dicom_dir: holds no DICOM file ({len(others)} others); {remedy}.")
    for header in headers:
        for tag, value in (("SOPInstanceUID", header.instance), ("SeriesInstanceUID", header.series)):
            if not value:
                raise InputError(f"{header.name}: has no {tag}; export it again, or remove it.")
    for what, values in (
        ("patients (by id, name or date of birth)", {header.patient for header in headers}),
        ("studies", {header.study for header in headers}),
    ):
        if len(values) > 1:
            raise InputError(f"dicom_dir: holds files of {len(values)} {what}; give one study, in a folder of its own.")
    archives = [name for name in others if name.lower().endswith(ARCHIVES)]
    if archives:
        logging.getLogger(__name__).warning("%s: is not read; unpack it if it holds images.", archives[0])
    instances: dict[str, str] = {}
    for header in headers:
        if header.instance in instances:
            raise InputError(
                f"dicom_dir: {instances[header.instance]} and {header.name} are the same image; remove one."
            )
        instances[header.instance] = header.name
