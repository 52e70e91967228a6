"""Use a bundle's inference.json for cases that a program hands over one by one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow

from ..errors import InputError
from ..quiet import quiet

__all__ = ["bundle_workflow", "for_one_case"]

HOOK = "add_bundle_to_path"  # of a packed bundle's configurations
GIVEN = "_given_"  # names of the changed settings, for `shared.handlers.use_included_weights`
COMMAND_LINE_ALONE = "install_excepthook"
GIVES_MEMORY_BACK = "HoldVolumesOnce"  # the one handler that is no part of a cohort's run


def bundle_workflow(bundle: Path, overlays: Sequence[str | os.PathLike], settings: dict[str, Any]) -> ConfigWorkflow:
    """Merge inference.json, overlays and settings; what only a command line needs is left out.

    Args:
        bundle: its folder; that of a packed bundle is put on `sys.path`.
        overlays: names or paths of configurations.
        settings: by name.

    Raises:
        InputError: a file is not there.
    """
    configs = bundle / "configs"
    files = [configs / "inference.json", *(_overlay(configs, overlay) for overlay in overlays)]
    if missing := [path for path in files if not path.is_file()]:
        raise InputError(f"{missing[0]}: no such configuration; correct the bundle's folder, or the overlay's name.")
    config = ConfigParser.load_config_files([str(path) for path in files])
    if HOOK in config and str(bundle.resolve()) not in sys.path:
        sys.path.insert(0, str(bundle.resolve()))
    steps = [step for step in config.get("initialize", []) if COMMAND_LINE_ALONE not in str(step)]
    settings = {name: _plain(value) for name, value in settings.items()}
    with quiet("monai.bundle.workflows"):  # it warns that it sets up no logging
        return ConfigWorkflow(
            [str(path) for path in files],
            logging_file=False,
            workflow_type="infer",
            initialize=steps,
            **{GIVEN: sorted(settings), **settings},
        )


def _overlay(configs: Path, overlay: str | os.PathLike) -> Path:
    path = Path(overlay)
    return path if path.suffix == ".json" else configs / f"{path}.json"


def for_one_case(config: Mapping[str, Any]) -> dict[str, Any]:
    """Change a configuration so that a case that is handed over is predicted, and nothing is written.

    The result refers to "$segmenter_cases", "$segmenter_network" and "$segmenter_loader", globals of its parser. What
    writes a case is under "_savers_", how a DICOM study is read under "_study_".

    Args:
        config: of `bundle_workflow`.
    """
    changed = deepcopy({key: value for key, value in config.items() if key not in ("initialize", "run", "finalize")})
    steps = changed["postprocessing"]["transforms"]
    is_saver = ["Save" in step["_target_"].split(".")[-1] for step in steps]
    changed["_savers_"] = [step for step, saves in zip(steps, is_saver, strict=True) if saves]
    changed["postprocessing"]["transforms"] = [step for step, saves in zip(steps, is_saver, strict=True) if not saves]
    for part in (*changed["_savers_"], changed["inference_settings"]):
        if "save_probabilities" in part:
            part["save_probabilities"] = changed["save_probabilities"]
    changed["save_probabilities"] = True
    changed["_study_"] = changed["datalist"]
    changed["datalist"] = "$segmenter_cases"
    changed["dataset"] = {
        "_target_": "Dataset",
        "data": changed["dataset"]["data"],
        "transform": changed["dataset"]["transform"],
    }
    changed["network"], changed["checkpointloader"] = "$segmenter_network", "$segmenter_loader"
    changed["handlers"] = [handler for handler in changed["handlers"] if GIVES_MEMORY_BACK in str(handler)]
    changed["evaluator"].pop("iteration_update", None)
    if HOOK in changed:
        changed[HOOK] = None
    return changed


def _plain(value: Any) -> Any:
    """Return paths as texts."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value
