"""Show how mask and class interact in a trained network, as Fig. 3 of Al Shafi et al., 2026.

    python -m ci interactions --bundle bundles/breast_ultrasound_segmentation_interaction --out interactions \
        --dataset_dir /data/Dataset_BUSI_with_GT --ckpt_path models/model.pt

runs the network over the test part and writes interactions.csv, a row per case and decoder level, and interactions.png:
how far the exchange would displace the features of either task, relative to their length, and which share of it the
uncertainty proxy attention lets pass. Settings of the bundle follow as further options, and overlays of train.json as
`--overlays tiny`; they must be those of the training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigWorkflow
from pandas import DataFrame

from ci.experiments.config_files import config_files, overlay_names
from shared.atomic_write import atomic_write
from shared.errors import InputError
from shared.handlers import WeightsLoader

STREAMS = {"seg": "mask, by the class", "clf": "class, by the mask"}
PANELS = {"displacement": "Displacement, |enhanced - base| / |base|", "omega": "Weight of the exchange (UPA)"}
MEASURES = [f"{measure}_{stream}" for measure in PANELS for stream in STREAMS]


def interactions_of(network: torch.nn.Module, batches: Iterable[Mapping[str, Any]], device: torch.device) -> DataFrame:
    """Return what the tasks exchange, a row per "case" and "level", from 1 (coarse) on.

    Raises:
        InputError: the network has no interaction.
    """
    network.eval()
    rows = []
    for batch in batches:
        levels = network.interactions(batch["image"].to(device)) if hasattr(network, "interactions") else []
        if not levels:
            raise InputError(f"{type(network).__name__} has no task interaction; choose a training that has.")
        numbers = torch.stack([torch.stack([level[name].float() for name in MEASURES]) for level in levels]).cpu()
        for place, case in enumerate(batch["case"]):
            rows += [(str(case), at + 1, *numbers[at, :, place].tolist()) for at in range(len(levels))]
    return DataFrame(rows, columns=["case", "level", *MEASURES])


def draw(path: Path, table: DataFrame, title: str) -> None:
    """Draw a panel per measure: mean and standard deviation over the cases, both streams at every level."""
    from matplotlib.figure import Figure

    by_level = table.groupby("level")[MEASURES]
    means, deviations = by_level.mean(), by_level.std(ddof=0)
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for ax, (measure, heading) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for number, (stream, name) in enumerate(STREAMS.items()):
            at, score = means.index + 0.36 * (number - 0.5), f"{measure}_{stream}"
            bars = ax.bar(at, means[score], 0.34, yerr=deviations[score], capsize=3, label=name)
            ax.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
        ax.set_xticks(means.index, [f"D{level}" for level in means.index])
        ax.set_xlabel("decoder level, coarse to fine")
        ax.set_title(heading, fontsize=10)
        ax.margins(y=0.12)
        ax.grid(axis="y", alpha=0.3)
    figure.legend(*ax.get_legend_handles_labels(), title="features of", loc="outside right upper", frameon=False)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def main(bundle: str, out: str, overlays: Any = "", **settings: Any) -> None:
    """Run a trained network over the part that evaluate.json names.

    Args:
        bundle: its folder.
        out: folder of interactions.csv and interactions.png.
        overlays: of train.json, joined by commas.
        settings: of the bundle, such as dataset_dir, ckpt_path and evaluate_part.
    """
    files = config_files(Path(bundle), ["train", *overlay_names(overlays), "evaluate"], "--overlays")
    workflow = ConfigWorkflow(files, workflow_type="train", bundle_root=str(bundle), **settings)
    workflow.initialize()
    network, batches, weights, device = (
        workflow.parser.get_parsed_content(name) for name in ("network", "validate::dataloader", "ckpt_path", "device")
    )
    WeightsLoader(weights, network)()
    table = interactions_of(network, batches, device)
    with atomic_write(Path(out) / "interactions.csv") as path:
        table.to_csv(path, index=False, float_format="%.6f", lineterminator="\n")
    cases = table["case"].nunique()
    with atomic_write(Path(out) / "interactions.png") as path:
        draw(path, table, f"What mask and class exchange, {cases} cases: mean and standard deviation")
    print(f"{cases} cases; interactions.csv and interactions.png are in {out}")
