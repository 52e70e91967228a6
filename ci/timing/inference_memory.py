"""Measure the memory that the inference of one large case takes, with a network that takes none."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel
import numpy as np
import torch
from monai.bundle import ConfigWorkflow
from torch import nn

from shared.inferers.one_case import bundle_workflow

__all__ = ["inference_megabytes", "large_case", "megabytes_allowed"]

BUNDLE = Path(__file__).resolve().parents[2] / "bundles" / "brats_mri_segmentation_pareto_mmformer"
MODALITIES = ("t1", "t1ce", "t2", "flair")
SHAPE = (480, 480, 300)
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # as BraTS stores its files: the image is flipped, and flipped back
NO_CHECKS = dict.fromkeys(("air", "volume", "skull", "atlas"), False)  # no brain is as large as this box


def megabytes_allowed(num_classes: int = 4) -> float:
    """Return 1.5 times the logits in float32, and the image."""
    voxels = np.prod(SHAPE, dtype=float)
    return float(4 * voxels * (1.5 * num_classes + len(MODALITIES)) / 1e6)


def inference_megabytes(save_probabilities: bool = False) -> float:
    """Run inference.json on a case that fills its box; return the peak above what was in memory before the case.

    For a process of its own: Linux knows the peak of all that a process ever did.

    Args:
        save_probabilities: see inference.json.
    """
    with tempfile.TemporaryDirectory() as folder:
        workflow = large_case(Path(folder), save_probabilities)
        evaluator, dataset = (workflow.parser.get_parsed_content(name) for name in ("evaluator", "dataset"))
        before = _megabytes("VmRSS")
        evaluator.run()
        dataset.raise_failures()
        return _megabytes("VmHWM") - before


def large_case(root: Path, save_probabilities: bool = False) -> ConfigWorkflow:
    """Write the case into a folder, and return the inference that segments it.

    Args:
        root: an empty folder.
        save_probabilities: see inference.json.
    """
    _paint(root / "data" / "BraTS2021_00001")
    network = {"_target_": "torch.nn.PReLU", "num_parameters": 4}  # a convolution on two threads copies its input
    torch.save(nn.PReLU(4).state_dict(), root / "model.pt")
    settings = {
        "bundle_root": str(BUNDLE),
        "dataset_dir": str(root / "data"),
        "output_dir": str(root / "out"),
        "ckpt_path": str(root / "model.pt"),
        "network_def": network,
        "checks": NO_CHECKS,
        "device": "$torch.device('cpu')",
        "save_probabilities": save_probabilities,
    }
    workflow = bundle_workflow(BUNDLE, (), settings)
    workflow.initialize()
    return workflow


def _paint(case: Path) -> None:
    """Write the modalities, uncompressed, so that reading is quick."""
    case.mkdir(parents=True)
    x, y, z = np.ogrid[tuple(map(slice, SHAPE))]
    for number, name in enumerate(MODALITIES, start=1):
        volume = (1 + (number * x + y + z) % 500).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(volume, LPS), case / f"{case.name}_{name}.nii")


def _megabytes(what: str) -> float:
    """Read Linux's own account of this process."""
    return int(Path("/proc/self/status").read_text().split(what + ":")[1].split()[0]) * 1024 / 1e6
