"""Compare lesion-wise scores with the programs of the BraTS organisers, on random cases.

    python3 -m venv organisers; organisers/bin/pip install brats-evaluation surface-distance
    python -m ci organisers-scores --python organisers/bin/python

`brats-evaluation` computes the scores since 2025. It is AGPL and pins an older NumPy, and so has an environment of its
own. `--program FILE` is `eval.py` of github.com/rachitsaluja/BraTS-2023-Metrics, the scores of 2023 and 2024.

A row per score says how many values were compared (cases x regions), the largest difference, and how many values are
not a number or infinite there; these are perfect or a penalty here. Status 1 if a difference is above 0.0001. HD95 of
2023 does not count for the status: there, surface elements are weighed by their area.
"""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nibabel
import numpy as np

from shared.errors import InputError
from shared.metrics import dilated_lesion_scores, matched_lesion_scores

CHILD = Path(__file__).with_name("organisers_child.py")
REGIONS = {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}
SHAPE = (34, 38, 30)
MM = (1.0, 1.0, 1.0)
SMALLEST = 1e-4
PARAMETERS = {"BraTS-GLI": (3, 50.0), "BraTS-MET": (1, 2.0)}


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a reference and a prediction (x, y, z) with up to six lesions of nested classes, some at the border.

    Of the prediction lesions are shifted, larger, smaller or missing, and some are invented; some cases have none.
    """
    random = np.random.default_rng(seed)
    places = np.indices(SHAPE)
    maps = np.zeros((2, *SHAPE), dtype=np.uint8)

    def paint(labels: np.ndarray, centre: np.ndarray, radii: np.ndarray) -> None:
        distance = sum(((axis - at) / size) ** 2 for axis, at, size in zip(places, centre, radii, strict=True))
        for value, part in ((2, 1.0), (3, 0.6), (1, 0.25)):
            labels[distance < part] = value

    for _ in range(int(random.integers(0, 7))):
        centre, radii = random.uniform(0, SHAPE), random.uniform(0.6, 6, 3)
        paint(maps[0], centre, radii)
        if random.random() < 0.75:
            paint(maps[1], centre + random.normal(0, 1.2, 3), radii * random.uniform(0.6, 1.5, 3))
    for _ in range(int(random.integers(0, 3))):
        paint(maps[1], random.uniform(0, SHAPE), random.uniform(0.6, 4, 3))
    return maps[0], maps[1]


def our_scores(reference: np.ndarray, prediction: np.ndarray) -> dict[str, dict[str, dict[str, float]]]:
    """Return {definition: {region: {score: value}}}, with the names of the organisers' programs."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for region, classes in REGIONS.items():
        pair = np.isin(prediction, classes), np.isin(reference, classes)
        scores = matched_lesion_scores(*pair, MM)
        found.setdefault("since 2025", {})[region] = {
            "tp": scores.found,
            "fp": scores.false_positives,
            "fn": scores.missed,
            "rq": scores.f1(),
            "sq_dsc": scores.mean_dice,
            "sq_nsd": scores.mean_surface_dice,
            "sq_hd95": scores.mean_hausdorff_95_mm,
        }
        for challenge, parameters in PARAMETERS.items():
            scores = dilated_lesion_scores(*pair, MM, *parameters)
            found.setdefault(challenge, {})[region] = {
                "Num_TP": scores.found,
                "Num_FP": scores.false_positives,
                "Num_FN": scores.missed,
                "LesionWise_Score_Dice": scores.mean_dice,
                "LesionWise_Score_HD95": scores.mean_hausdorff_95_mm,
            }
    return found


Scores = Mapping[str, Mapping[str, Mapping[str, float | None]]]  # by case, region and name


def differences(ours: Scores, theirs: Scores) -> dict[str, tuple[list[float], int]]:
    """Return for every score the differences where it is a number there, and how often it is none."""
    rows: dict[str, tuple[list[float], int]] = {}
    for case, regions in theirs.items():
        for region, scores in regions.items():
            for name, value in scores.items():
                found, undefined = rows.get(name, ([], 0))
                if value is None or not math.isfinite(value):
                    rows[name] = found, undefined + 1
                else:
                    rows[name] = [*found, abs(value - ours[case][region][name])], undefined
    return rows


def main(python: str, program: str | None = None, num_cases: int = 200) -> None:
    """Compare, print a row per score.

    Args:
        python: of the environment with the organisers' programs.
        program: `eval.py` of 2023.
        num_cases: how many cases are drawn.

    Raises:
        InputError: the programs cannot be run, or differ.
    """
    for path in (python, *([program] if program else [])):
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file; `python -m ci organisers-scores --help` says what is needed.")
    with tempfile.TemporaryDirectory() as folder:
        ours = {}
        for seed in range(num_cases):
            maps = random_case(seed)
            ours[f"{seed:05d}.nii.gz"] = our_scores(*maps)
            for part, labels in zip(("reference", "prediction"), maps, strict=True):
                path = Path(folder, part, f"{seed:05d}.nii.gz")
                path.parent.mkdir(exist_ok=True)
                nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), path)
        out = Path(folder, "scores.json")
        command = [python, str(CHILD), folder, str(out), *([program] if program else [])]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise InputError(f"{python}: the organisers' programs ended with {done.stderr.strip().splitlines()[-1]!r}.")
        theirs = json.loads(out.read_text(encoding="utf-8"))
    print("| definition | score | values | largest difference | not a number there |\n|---|---|---:|---:|---:|")
    wrong = []
    for definition, cases in theirs.items():
        here = {case: scores[definition] for case, scores in ours.items()}
        for score, (found, undefined) in differences(here, cases).items():
            largest = max(found, default=0.0)
            print(f"| {definition} | {score} | {len(found)} | {largest:.2g} | {undefined} |", flush=True)
            if largest > SMALLEST and score != "LesionWise_Score_HD95":
                wrong.append(f"{score} ({definition}) by {largest:.2g}")
    if wrong:
        raise InputError(f"scores differ from the organisers': {', '.join(wrong)}.")
