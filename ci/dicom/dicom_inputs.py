"""Try odd and damaged DICOM studies and write what becomes of each into a table.

Every study must be read right, compared with what was painted in world coordinates, or be refused in one line. What is
read without a modality must have a warning. Otherwise the command names the study and ends with status 1.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from monai.data import MetaTensor

from shared.atomic_write import atomic_write
from shared.dicom import study_cases
from shared.errors import InputError
from shared.transforms import LoadImageModalitiesd, StackModalitiesd

from . import odd_files, odd_frames, odd_pixels, odd_places, odd_series, odd_stacks, odd_tags  # noqa: F401  (fill the list)
from .odd_study import INPUTS, OddInput, OddStudy, PaintedStudy

__all__ = ["Outcome", "main", "outcome_of"]

CONFIGS = {  # whose rules and modalities
    "prostate": "bundles/prostate_mri_segmentation_expert_consistency/configs/inference.json",
    "brain": "bundles/brats_mri_segmentation_expert_consistency/configs/inference.json",
}
NEAR = 0.05  # of a voxel: places that count as the same
HEAD = """| | input | outcome | what is said |
|---:|---|---|---|
"""


class Outcome(NamedTuple):
    """What became of a study.

    Attributes:
        is_right: read right, with all modalities that are there.
        is_refused: refused in one line.
        says: error, or warnings.
        fault: why the outcome is not what it must be; "" where it is.
    """

    is_right: bool
    is_refused: bool
    says: str
    fault: str = ""


def main(*, out: str | None = None, only: str = "") -> None:
    """Try all odd studies.

    Args:
        out: Markdown file for the table; it is printed where none is given.
        only: word in the names of those that are tried; all by default.
    """
    chosen = [given for given in INPUTS if only in given.name]
    if not chosen:
        raise InputError(f"only: no input's name has {only!r}; the first is called {INPUTS[0].name!r}.")
    with tempfile.TemporaryDirectory() as folder:
        outcomes = list(outcomes_of(chosen, Path(folder)))
    table = table_of(chosen, outcomes)
    if out is None:
        print(table)
    else:
        with atomic_write(out) as path:
            path.write_text(table, encoding="utf-8")
    refused, faults = sum(outcome.is_refused for outcome in outcomes), [o for o in outcomes if o.fault]
    right = sum(outcome.is_right for outcome in outcomes)
    print(f"{len(chosen)} inputs: {right} read right, {refused} refused in one line, {len(faults)} faults")
    if faults:
        raise InputError(" | ".join(o.fault for o in faults))


def outcomes_of(inputs: Sequence[OddInput], folder: Path) -> Iterator[Outcome]:
    """Try studies one after the other in a folder."""
    painted = {organ: PaintedStudy.paint(folder / organ, organ) for organ in sorted({given.organ for given in inputs})}
    for index, given in enumerate(inputs):
        yield outcome_of(given, painted[given.organ], folder / f"study{index}")


def outcome_of(given: OddInput, painted: PaintedStudy, folder: Path) -> Outcome:
    """Make one odd study and read it as a bundle does.

    Args:
        given: the input.
        painted: study of its organ.
        folder: for the odd study; new.
    """
    study = OddStudy.copy(painted, given.organ, folder)
    given.change(study)
    with _warnings() as warnings:
        try:
            wrong = _read(study)
        except InputError as error:
            outcome = Outcome(False, True, str(error).replace(f"{folder}/", ""))
        except Exception as error:  # a traceback for the user
            outcome = Outcome(False, False, f"{type(error).__name__}: {error}")
        else:
            outcome = Outcome(not wrong, False, wrong or " ".join(warnings).replace(f"{folder}/", ""))
    return outcome._replace(fault=_fault(given, outcome, study))


def table_of(inputs: Sequence[OddInput], outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes as a Markdown table."""
    rows = []
    for number, (given, outcome) in enumerate(zip(inputs, outcomes, strict=True), start=1):
        result = "right" if outcome.is_right else "refused" if outcome.is_refused else "**wrong**"
        result += " (brain)" * (given.organ == "brain")
        rows.append(f"| {number} | {given.name} | {result} | {_cell(outcome.says)} |")
    return HEAD + "\n".join(rows) + "\n"


def _read(study: OddStudy) -> str:
    """Read a study; return how it differs from the truth, or nothing."""
    config = json.loads(Path(CONFIGS[study.organ]).read_text(encoding="utf-8"))
    modalities = config["modalities"]
    (case,) = study_cases(study.folder, modalities, config["series_rules"], study.series, study.resample)
    loaded = LoadImageModalitiesd(modalities)(case)
    stacked = StackModalitiesd(modalities, resample=study.resample)(loaded)["image"]
    found = {name for name, channel in zip(modalities, stacked, strict=True) if not channel.isnan().any()}
    if found != set(study.truth):
        return f"found {sorted(found)} instead of {sorted(study.truth)}"
    differences = {name: _difference(loaded[name], *study.truth[name]) for name in study.truth}
    return "; ".join(f"{name}: {text}" for name, text in differences.items() if text)


def _difference(image: MetaTensor, volume: np.ndarray, affine: np.ndarray) -> str:
    """Compare an image (1, x, y, z) with a volume (x, y, z), voxel by voxel at the same places of the world."""
    to_image = np.linalg.inv(np.asarray(image.affine, dtype=float)) @ affine
    places = np.indices(volume.shape).reshape(3, -1)
    voxels = to_image[:3, :3] @ places + to_image[:3, 3:]
    nearest = np.rint(voxels).astype(int)
    values = np.asarray(image[0])
    if values.size != volume.size or (nearest < 0).any() or (values.shape <= nearest.T).any():
        return f"has {values.shape} voxels elsewhere than the {volume.shape} that were painted"
    if (off := np.abs(voxels - nearest).max()) > NEAR:
        return f"is up to {off:.2g} voxels from where it was painted"
    wrong = int((~np.isclose(values[tuple(nearest)], volume.reshape(-1))).sum())
    return f"{wrong} of {volume.size} voxels differ" if wrong else ""


def _fault(given: OddInput, outcome: Outcome, study: OddStudy) -> str:
    wanted = "refused" if given.refused else "read right"
    if not (outcome.is_refused if given.refused else outcome.is_right):
        return f"{given.name}: should be {wanted}, but: {outcome.says or 'is read without a word'}"
    if not re.search(given.says, outcome.says) or "\n" in outcome.says:
        return f"{given.name}: should say {given.says!r} in one line, but says {outcome.says!r}"
    if any(
        word in outcome.says for word in (study.painted.study.patient_id, *study.painted.study.patient_name.split("^"))
    ):
        return f"{given.name}: names the patient, {outcome.says!r}"
    if outcome.is_right and not outcome.says and len(study.truth) < len(study.painted.volumes) and study.files:
        return f"{given.name}: is read without {set(study.painted.volumes) - set(study.truth)}, and without a word"
    return ""


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what is logged as a warning."""
    found: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())
    logger = logging.getLogger("shared")
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


def _cell(text: str) -> str:
    """Escape what ends a cell, and leave out ITK's own words, which hold addresses that change from run to run."""
    return re.sub(r" \(RuntimeError: .*?ITK ERROR.*?\)(?=\.)", "", text).replace("|", "\\|")
