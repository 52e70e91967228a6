"""One run of a study: train, go on with what was interrupted, evaluate."""

from __future__ import annotations

import gc
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

from ci.experiments.config_files import config_files
from shared.atomic_write import atomic_write
from shared.errors import InputError

__all__ = ["TABLES", "check_settings", "run", "train", "train_and_evaluate"]

TABLES = {  # overlay to the file that it leaves in a run's folder, and the name of the merged table
    "evaluate": ("evaluation.csv", "table"),
    "evaluate_subsets": ("subsets.csv", "table_subsets"),
}


def check_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Note with which settings a run is trained, and refuse to go on with others."""
    note = folder / "study_settings.json"
    settings = json.loads(json.dumps(settings, default=str))
    scored = any((folder / scores).is_file() for scores, _ in TABLES.values())
    if not note.is_file() or not (scored or any((folder / "models").glob("*.pt"))):
        with atomic_write(note) as temporary:
            temporary.write_text(json.dumps(settings, indent=4) + "\n", encoding="utf-8")
        return
    before = json.loads(note.read_text(encoding="utf-8"))
    for key in before | settings:
        then, now = (f"{key} = {found[key]!r}" if key in found else f"no {key}" for found in (before, settings))
        if then != now:
            raise InputError(
                f"out: {folder} was trained with {then}, now there is {now}; give another --out, or, if that changes "
                f"no result, delete {note.name} there."
            )


def run(bundle: Path, overlays: Sequence[str], settings: dict[str, Any]) -> None:
    """Run train.json with overlays and settings, as `python -m monai.bundle run` would."""
    workflow = ConfigWorkflow(
        config_files(bundle, ["train", *overlays], "the overlays in --variants"),
        workflow_type="train",
        logging_file=str(bundle / "configs" / "logging.conf"),
        bundle_root=str(bundle),
        **settings,
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    del workflow
    gc.collect()  # engines and handlers refer to one another


def train(bundle: Path, overlays: Sequence[str], settings: dict[str, Any]) -> None:
    """Train in settings["ckpt_dir"], or go on with an interrupted training there; do nothing if it is done."""
    models = Path(settings["ckpt_dir"])
    if not (models / "model_last.pt").is_file():
        going_on = ["resume"] if (models / "checkpoint.pt").is_file() else []
        run(bundle, [*overlays, *going_on], settings)


def train_and_evaluate(
    bundle: Path, variant: dict[str, Any], folder: Path, settings: dict[str, Any], evaluation: str = "evaluate"
) -> None:
    """Do what is left of one run; where "weights_of" names the folder of a trained one, only the evaluation."""
    settings = {**settings, **variant, "output_dir": str(folder)}
    overlays, weights_of = settings.pop("overlays", []), settings.pop("weights_of", None)
    settings["ckpt_dir"] = str(Path(weights_of or folder) / "models")
    if weights_of is None:
        train(bundle, overlays, settings)
    if not (folder / TABLES[evaluation][0]).is_file():
        run(bundle, [*overlays, evaluation], settings)
