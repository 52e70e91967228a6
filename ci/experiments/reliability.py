"""Measure whether the agreement and the weight of experts tell how right the experts are.

    python -m ci reliability --bundle bundles/brats_mri_segmentation_expert_consistency --out reliability \
        "study/cloe/seed0-fold*"

runs trainings of CLoE made by `python -m ci study` on their test parts: every case as it is, and three times with one
modality spoilt, by noise, by a bias field, or by that of another patient. Which modality changes from case to case.
Results: reliability.csv, a row per case, corruption and expert, with the expert's Dice, its agreement with the other
experts and its weight; reliability.md with the rank correlations; reliability.png. Further options are settings of the
bundle. Modalities are spoilt after the preprocessing. Dice is that of the whole foreground, on the network's grid.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigWorkflow
from monai.inferers import Inferer
from monai.metrics import compute_dice
from pandas import DataFrame
from torch import Tensor

from ci.experiments.config_files import config_files
from ci.experiments.corruptions import spoilt_images
from ci.experiments.reliability_tables import NOTES, correlations, draw, effects
from shared.errors import InputError
from shared.handlers import WeightsLoader
from shared.inferers import ExpertsInferer
from shared.reports.score_table import markdown_table, markdown_text, write_report
from shared.transforms import SplitExpertsd


def expert_rows(
    network: torch.nn.Module, inferer: Inferer, image: Tensor, label: Tensor, names: Sequence[str], num_classes: int
) -> list[dict[str, Any]]:
    """Return a row per expert of a case: "modality", "dice" of the foreground, "agreement", "weight" and so on.

    Args:
        network: a `CLoE`.
        inferer: an `ExpertsInferer`.
        image: (M, *spatial), NaN where a modality is absent; with its affine.
        label: (1, *spatial), classes, 0 is background.
        names: of the modalities.
        num_classes: with the background.

    Raises:
        InputError: the network has no experts.
    """
    with torch.no_grad():
        pred = inferer(image[None], network.eval())[0]
    experts = SplitExpertsd(num_classes)({"pred": pred, "image": image}).get("experts")
    if experts is None:
        raise InputError(f"{type(network).__name__} has no experts; choose trainings of CLoE.")
    found = (experts.probabilities.argmax(dim=1, keepdim=True) > 0).float()
    scores = {
        "dice": compute_dice(found, (label > 0).float().expand_as(found), ignore_empty=False)[:, 0],
        "agreement": experts.agreement,
        "agreement_in_region": experts.region_agreement,
        "weight": experts.weights,
    }
    numbers = {name: [float("nan")] * len(names) if part is None else part.tolist() for name, part in scores.items()}
    there = [m for m in range(len(names)) if experts.present[m]]
    return [{"modality": names[m], **{name: column[m] for name, column in numbers.items()}} for m in there]


def rows_of_training(folder: str, bundle: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a training of a study on its test part, with every case whole and spoilt."""
    note = Path(folder) / "study_settings.json"
    try:
        of_study = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: is no training of `python -m ci study` ({note.name} cannot be read).") from error
    overlays = of_study.pop("overlays", [])
    of_folder = {
        "output_dir": folder,
        "ckpt_dir": str(Path(folder) / "models"),
        "validate::preprocessing::transforms::0::resample_label": True,
    }
    workflow = ConfigWorkflow(
        config_files(bundle, ["train", *overlays, "evaluate"], "the training"),
        workflow_type="train",
        bundle_root=str(bundle),
        **{**of_study, **of_folder, **settings},
    )
    workflow.initialize()
    network, dataset, weights, scoped, names, num_classes = (
        workflow.parser.get_parsed_content(name)
        for name in ("network", "validate::dataset", "ckpt_path", "validate::inferer", "modalities", "num_classes")
    )
    WeightsLoader(weights, network)()
    inferer, cases, rows = ExpertsInferer(scoped.inferer, scoped.gate_scope), list(dataset), []
    if len(cases) < 2:
        raise InputError(f"{folder}: the test part has {len(cases)} case; two or more are needed to exchange images.")
    device, images = next(network.parameters()).device, [case["image"] for case in cases]
    for at, case in enumerate(cases):
        for corruption, spoilt, image in spoilt_images(images, at):
            of_case = {"training": Path(folder).name, "case": str(case["case"]), "corruption": corruption}
            of_case["spoilt"] = "" if spoilt is None else names[spoilt]
            experts = expert_rows(network, inferer, image.to(device), case["label"].to(device), names, num_classes)
            rows += [of_case | expert for expert in experts]
        print(f"{folder}: {at + 1} of {len(cases)} cases done", flush=True)
    return rows


def main(*trainings: str, bundle: str, out: str, **settings: Any) -> None:
    """Compare what experts say of one another with how right they are.

    Args:
        trainings: folders of `python -m ci study`, such as study/cloe/seed0 (wildcards allowed).
        bundle: folder of the bundle that was trained.
        out: folder of the results.
        settings: of the bundle, such as device or evaluate_part.
    """
    folders = [folder for pattern in trainings for folder in sorted(glob.glob(pattern)) or [pattern]]
    if not folders:
        raise InputError("trainings: name one or more folders of a study.")
    table = DataFrame([row for folder in folders for row in rows_of_training(folder, Path(bundle), settings)])
    text = markdown_text(NOTES[0], markdown_table(correlations(table)), NOTES[1], markdown_table(effects(table)))
    write_report(Path(out) / "reliability", table.set_index("training"), text, lambda path: draw(path, table))
    print(text, end="")
