"""Split gland images by their published parts and by patient."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from .gland_cases import TRAIN
from .gland_grades import GRADES
from .splits import PARTS, split_cases

__all__ = ["split_gland_cases"]

NUM_DRAWS = 10  # of validation patients, of which the one nearest to the wanted numbers is kept


def split_gland_cases(
    cases: Sequence[Mapping[str, Any]],
    validation_fraction: float = 15 / 85,
    seed: int = 0,
    test_fraction: float = 0.2,
    files: Mapping[str, str | os.PathLike | None] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Split cases into "train", "validation" and "test", each sorted by name.

    With the published parts, the test cases are testA and testB, and the validation cases are drawn from part train:
    whole patients, so that about `validation_fraction` of the benign and of the malignant images are drawn. The
    published parts themselves do not keep patients apart: 59 of the 60 cases of testA and all 20 of testB are of
    patients who have cases in part train too (`count_cases_sharing` counts them).

    Cases without parts (one's own data) are split by patient into three, by `split_cases`.

    Args:
        cases: as `find_gland_cases` lists them.
        validation_fraction: share of the images that are not tested; published are 15 of the 85 of part train.
        seed: chooses the split, with the names of patients and cases.
        test_fraction: share of the patients that are tested, for cases without parts.
        files: take the split from text files instead, see `split_cases`.

    Raises:
        InputError: fractions out of range, too few patients, or only some of the cases have a part.
    """
    if not 0 <= validation_fraction < 1 or not 0 <= test_fraction <= 1:
        raise InputError(
            f"validation_fraction {validation_fraction}, test_fraction {test_fraction}: expected shares from 0 to 1, "
            "the first below 1."
        )
    without = [case["case"] for case in cases if "part" not in case]
    if files is not None or len(without) == len(cases):
        rest = 1 - test_fraction
        fractions = (rest * (1 - validation_fraction), rest * validation_fraction, test_fraction)
        return split_cases(cases, fractions, seed, files=files)
    if without:
        raise InputError(
            f"case {without[0]} and {len(without) - 1} more have no part, while others are called train_1, testA_1 and "
            "so on; rename them, move them to a folder of their own, or give the parts as files."
        )
    by_name = {str(case["case"]): dict(case) for case in cases}
    trained = [case for case in by_name.values() if case["part"] == TRAIN]
    drawn = _draw_patients(trained, validation_fraction, seed)
    place = {
        name: "test" if case["part"] != TRAIN else "validation" if str(case["patient"]) in drawn else "train"
        for name, case in by_name.items()
    }
    return {part: [by_name[name] for name in sorted(by_name) if place[name] == part] for part in PARTS}


def _draw_patients(cases: Sequence[Mapping[str, Any]], fraction: float, seed: int) -> set[str]:
    """Draw patients who have about this fraction of the images of every grade, at least one, and not all."""
    counts = _images_by_grade(cases)
    patients = sorted(counts)
    if not fraction or not patients:
        return set()
    if len(patients) == 1:
        raise InputError(
            f"validation_fraction {fraction}: all images for training are of one patient, {patients[0]}; give more "
            "patients, or the fraction 0."
        )
    wanted = fraction * sum(counts.values())
    generator = np.random.default_rng(seed)
    draws = [_draw_once(counts, wanted, generator.permutation(patients)) for _ in range(NUM_DRAWS)]
    return min(draws, key=lambda drawn: _miss(sum(counts[patient] for patient in drawn), wanted))


def _draw_once(counts: Mapping[str, np.ndarray], wanted: np.ndarray, patients: Sequence[str]) -> set[str]:
    """Go through the patients and take each who brings the numbers nearer to what is wanted."""
    drawn, total = {str(patients[0])}, counts[patients[0]]
    for patient in patients[1:]:
        if len(drawn) < len(patients) - 1 and _miss(total + counts[patient], wanted) < _miss(total, wanted):
            drawn, total = drawn | {str(patient)}, total + counts[patient]
    return drawn


def _miss(numbers: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(numbers - wanted).sum())


def _images_by_grade(cases: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Return, for every patient, how many images are benign, malignant, and of no known grade."""
    counts: dict[str, np.ndarray] = {}
    for case in cases:
        number = counts.setdefault(str(case["patient"]), np.zeros(len(GRADES) + 1))
        number[case.get("grade", len(GRADES))] += 1
    return counts
