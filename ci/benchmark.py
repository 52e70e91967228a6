"""Ratios that must hold, each measured against its reference in the same run: `.venv/bin/python ci/benchmark.py`.

Times differ from machine to machine, ratios hardly; status 1 if one is missed. Takes some minutes.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import FlexibleUNet, VNet
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from shared.losses import FuzzyAuxiliaryLoss  # noqa: E402
from shared.metrics import object_dice, object_f1, object_hausdorff  # noqa: E402
from shared.networks import TaskInteractionUNet, WithClassHead  # noqa: E402
from shared.transforms import fuzzy_membership  # noqa: E402

# A process of its own, since the peak is that of all it ever did; its last line is the peak in kilobytes.
LARGE_PICTURE = """
import resource
import torch
from shared.inferers import WholeOrWindowInferer
from shared.networks import GlandUNet
from shared.transforms import GlandInstancesd, HierarchicalSegmentationd
network = GlandUNet(features=(8, 16, 32, 64, 128)).eval()
with torch.no_grad():
    logits = WholeOrWindowInferer(roi_size=(1032, 1032))(torch.rand(1, 3, 5000, 5000), network)
found = HierarchicalSegmentationd(keys="pred")({"pred": logits[0]})
GlandInstancesd(keys="pred", pixel_size_um=0.62)(found)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


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


def interaction_against_flexible_unet(training: bool) -> tuple[float, float]:
    """Seconds for a training step or an inference of 4 images at 224, encoder b4: ours and MONAI's FlexibleUNet."""
    torch.manual_seed(0)
    image = torch.randn(4, 3, 224, 224)
    flexible = WithClassHead(FlexibleUNet(3, 1, "efficientnet-b4"), deepest="encoder", features=448)
    networks = [TaskInteractionUNet().train(training), flexible.train(training)]

    def step(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        outputs = network(image)
        (outputs["pred"].square().mean() + outputs["class_logits"].square().mean()).backward()
        optimizer.step()

    def infer(network: nn.Module, _: torch.optim.Optimizer) -> None:
        with torch.no_grad():
            network(image)

    what, optimizers = step if training else infer, [torch.optim.Adam(network.parameters()) for network in networks]
    jobs = [partial(what, *pair) for pair in zip(networks, optimizers, strict=True)]
    ours, reference = best_seconds(*jobs, repeats=4)
    return ours, reference


def memory_for_a_large_gland_image() -> tuple[float, float]:
    """Peak memory in GB of segmenting 5000 x 5000 pixels by windows, network with 8 to 128 filters; and 4."""
    done = subprocess.run([sys.executable, "-c", LARGE_PICTURE], cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) / 1e6, 4.0


# What is measured: (name, function that gives seconds (or GB) of ours and of the reference, largest ratio allowed).
BENCHMARKS = [
    ("fuzzy membership / avg_pool3d, 4 x 96 x 128 x 128", membership_against_average_pooling, 1.00),
    ("VNet step 64^3 with / without fuzzy loss", fuzzy_loss_in_a_training_step, 1.05),
    ("object F1, Dice, Hausdorff of 775 x 522 with 15 glands / 0.3 s", object_scores_of_a_gland_image, 1.00),
    ("peak memory in GB, glands in 5000 x 5000 / 4 GB", memory_for_a_large_gland_image, 1.00),
    ("TaskInteractionUNet / FlexibleUNet, b4, 4 at 224: step", partial(interaction_against_flexible_unet, True), 1.60),
    ("the same: inference", partial(interaction_against_flexible_unet, False), 1.60),
]


def main() -> int:
    """Print one row per benchmark and return the exit status."""
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, CPU\n")
    print("Seconds, where the row names no other unit.\n")
    print("| measured | ours | reference | ratio | bound | |\n|---|---:|---:|---:|---:|---|")
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
