"""Ratios that must hold, each measured against its reference in the same run: `.venv/bin/python ci/benchmark.py`.

Times differ from machine to machine, ratios hardly; status 1 if one is missed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import VNet
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.losses import FuzzyAuxiliaryLoss
from shared.metrics import object_dice, object_f1, object_hausdorff
from shared.transforms import fuzzy_membership


def best_seconds(*functions: Callable[[], object], repeats: int) -> list[float]:
    """Time functions in turn, after one warm-up each, and give each one's fastest run in seconds."""
    for function in functions:
        function()
    fastest = [float("inf")] * len(functions)
    for _ in range(repeats):
        for number, function in enumerate(functions):
            start = time.perf_counter()
            function()
            fastest[number] = min(fastest[number], time.perf_counter() - start)
    return fastest


def membership_against_average_pooling() -> tuple[float, float]:
    """Seconds for the fuzzy membership of a 4 x 96 x 128 x 128 label, and for one 3^3 average pooling over it."""
    label = torch.randint(0, 4, (1, 96, 128, 128), generator=torch.Generator().manual_seed(0))
    onehot = nn.functional.one_hot(label, 4).movedim(-1, 1).float().contiguous()
    pooling = nn.AvgPool3d(3, stride=1, padding=1)
    ours, reference = best_seconds(lambda: fuzzy_membership(onehot), lambda: pooling(onehot), repeats=7)
    return ours, reference


def fuzzy_loss_in_a_training_step() -> tuple[float, float]:
    """Seconds for a VNet training step at 64^3 with the fuzzy loss (timed apart and added), and without."""
    torch.manual_seed(0)
    network, image = VNet(out_channels=4), torch.randn(1, 1, 64, 64, 64)
    label = torch.randint(0, 4, (1, 1, 64, 64, 64))
    memberships = fuzzy_membership(nn.functional.one_hot(label[:, 0], 4).movedim(-1, 1))
    base_loss, fuzzy_loss = DiceCELoss(to_onehot_y=True, softmax=True), FuzzyAuxiliaryLoss()
    optimizer = torch.optim.Adam(network.parameters())
    logits = torch.randn(1, 4, 64, 64, 64, requires_grad=True)

    def step() -> None:
        optimizer.zero_grad()
        base_loss(network(image), label).backward()
        optimizer.step()

    def fuzzy() -> None:
        fuzzy_loss(logits, memberships).backward()

    added, plain = best_seconds(fuzzy, step, repeats=4)
    return plain + added, plain


def object_scores_of_a_gland_image() -> tuple[float, float]:
    """Seconds for F1, Dice and Hausdorff of 775 x 522 pixels, 15 glands, three missed and five invented; and 0.3."""
    rows, columns = np.indices((522, 775))
    truth = np.zeros((522, 775), dtype=np.int32)
    for place in range(15):
        row, column = 90 + 170 * (place // 5), 80 + 150 * (place % 5)
        truth[((rows - row) / 75) ** 2 + ((columns - column) / 60) ** 2 < 1] = place + 1
    prediction = np.roll(truth, 9, axis=1)
    prediction[np.isin(truth, (3, 8, 14))] = 0
    for place in range(5):
        prediction[505:517, 100 + 120 * place : 112 + 120 * place] = 16 + place

    def score() -> None:
        for measure in (object_f1, object_dice, object_hausdorff):
            measure([prediction], [truth])

    return best_seconds(score, repeats=3)[0], 0.3


# What is measured: (name, function that gives the seconds of ours and of the reference, largest ratio allowed).
BENCHMARKS = [
    ("fuzzy membership / avg_pool3d, 4 x 96 x 128 x 128", membership_against_average_pooling, 1.00),
    ("VNet step 64^3 with / without fuzzy loss", fuzzy_loss_in_a_training_step, 1.05),
    ("object F1, Dice, Hausdorff of 775 x 522 with 15 glands / 0.3 s", object_scores_of_a_gland_image, 1.00),
]


def main() -> int:
    """Print one row per benchmark and return the exit status."""
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, CPU\n")
    print("| ratio | ours (s) | reference (s) | ratio | bound | |\n|---|---:|---:|---:|---:|---|")
    missed = 0
    for name, measure, bound in BENCHMARKS:
        ours, reference = measure()
        kept = ours / reference <= bound
        missed += not kept
        row = f"| {name} | {ours:.4f} | {reference:.4f} | {ours / reference:.3f} | {bound:.2f} |"
        print(row, "kept |" if kept else "MISSED |", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
