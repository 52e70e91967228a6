"""Score label maps with the programs of the BraTS organisers; for the Python of an environment that has them.

It imports nothing of this collection. Arguments: a folder with `reference/` and `prediction/`, the file to write, and,
if it is to be compared, the organisers' `eval.py` of 2023.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Pair = tuple[Path, Path]  # prediction, reference

SINCE_2025 = ("tp", "fp", "fn", "rq", "sq_dsc", "sq_nsd", "sq_hd95")
OF_2023 = ("Num_TP", "Num_FP", "Num_FN", "LesionWise_Score_Dice", "LesionWise_Score_HD95")
CHALLENGES = ("BraTS-GLI", "BraTS-MET")


def scores_since_2025(pairs: Mapping[str, Pair]) -> dict[str, Any]:
    """Return {case: {region: {score: value}}} by `brats-evaluation`."""
    from brats_evaluation.evaluation import evaluate_single_exam
    from panoptica import Panoptica_Evaluator

    config = files("brats_evaluation").joinpath("configs", "config_gli.yaml")
    evaluator = Panoptica_Evaluator.load_from_config(str(config))
    found = {}
    for name, (prediction, reference) in pairs.items():
        result = evaluate_single_exam(str(prediction), str(reference), name, evaluator)
        found[name] = {
            region.upper(): {score: _number(result[region].get(score)) for score in SINCE_2025}
            for region in ("wt", "tc", "et")
        }
    return found


def scores_of_2023(pairs: Mapping[str, Pair], program: str) -> dict[str, Any]:
    """Return {challenge: {case: {region: {score: value}}}} by the file `eval.py` of BraTS-2023-Metrics."""
    np.Inf = np.inf  # NumPy took it away; `surface-distance` uses it
    pd.DataFrame.append = lambda table, other: pd.concat([table, other])  # pandas took it away
    pd.DataFrame.replace = _replace
    spec = importlib.util.spec_from_file_location("brats2023", program)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    distances = module.surface_distance.compute_surface_distances
    module.surface_distance.compute_surface_distances = lambda true, predicted, spacing: distances(
        true.astype(bool),
        predicted.astype(bool),
        spacing,  # which the package of today wants
    )
    found = {}
    for challenge in CHALLENGES:
        for name, (prediction, reference) in pairs.items():
            table = module.get_LesionWiseResults(str(prediction), str(reference), challenge).set_index("Labels")
            found.setdefault(challenge, {})[name] = {
                region: {score: _number(table.loc[region, score]) for score in OF_2023} for region in table.index
            }
    return found


def _replace(table: pd.DataFrame, old: float, new: float, inplace: bool = False) -> pd.DataFrame | None:
    """Replace in columns of numbers: the pandas of today stumbles over one with lists of components."""
    found = table if inplace else table.copy()
    for name in found.columns.difference(["predicted_lesion_numbers"]):
        found[name] = found[name].replace(old, new)
    return None if inplace else found


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def main(folder: str, out: str, program: str | None = None) -> None:
    """Score every pair of a folder."""
    references = sorted(Path(folder, "reference").iterdir())
    pairs = {path.name: (Path(folder, "prediction", path.name), path) for path in references}
    scores = {"since 2025": scores_since_2025(pairs)}
    if program:
        scores |= scores_of_2023(pairs, program)
    Path(out).write_text(json.dumps(scores), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
