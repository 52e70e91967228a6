"""Compare run time, memory and operations with references; status 1 if a bound is missed.

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
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from shared.losses import FuzzyAuxiliaryLoss
from shared.metrics import object_dice, object_f1, object_hausdorff
from shared.networks import (
    M3AE,
    CLoE,
    MMFormer,
    RegionAwareFusion,
    RFNet,
    RobustSeg,
    ShaSpec,
    TaskInteractionUNet,
    WithClassHead,
)
from shared.transforms import fuzzy_membership

from .inference_memory import megabytes_allowed

ROOT = Path(__file__).resolve().parents[2]

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

# The same for one training step of a fusion by regions, less what it took before. Read from Linux's own account, since
# the peak that `resource` knows is handed down by the process that starts this one. Argument: is it the 7-D form?
FUSION_STEP = """
import sys
from pathlib import Path
from ci.timing.benchmark import region_aware_fusion
def kilobytes(what):
    return int(Path("/proc/self/status").read_text().split(what + ":")[1].split()[0])
for size in (8, 64):  # the first step loads what any needs
    fusion, inputs = region_aware_fusion(sys.argv[1] == "True", training=True, size=size)
    before = kilobytes("VmRSS")
    fusion(*inputs).square().mean().backward()
print(kilobytes("VmHWM") - before)
"""

# The same for the inference of a brain of 480 x 480 x 300 voxels, four modalities and four classes.
LARGE_BRAIN = """
from ci.timing.inference_memory import inference_megabytes
print(inference_megabytes())
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
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
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


def memory_for_a_large_brain() -> tuple[float, float]:
    """Peak memory in GB of the inference of a large brain, and 1.5 times its logits in float32 plus the image."""
    done = subprocess.run([sys.executable, "-c", LARGE_BRAIN], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1]) / 1e3, megabytes_allowed() / 1e3


def missing_modality_network(kind: type[nn.Module]) -> nn.Module:
    """Build a network of the published sizes for images of 80^3, in evaluation mode."""
    torch.manual_seed(0)
    return kind(**{"img_size": (80, 80, 80)} if kind is MMFormer else {}).eval()


def image_of(num_modalities: int) -> Tensor:
    """Make an image of 80^3 voxels that has the first `num_modalities` of four."""
    image = torch.randn(1, 4, 80, 80, 80, generator=torch.Generator().manual_seed(0))
    image[:, num_modalities:] = torch.nan
    return image


def gigaflop(network: nn.Module, num_modalities: int) -> float:
    """Count the operations of segmenting 80^3 voxels, in 10^9."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image_of(num_modalities))
    return counter.get_total_flops() / 1e9


def gigaflop_within(kind: type[nn.Module], num_modalities: int, most: float) -> tuple[float, float]:
    """Operations with the first `num_modalities` of four, and the most that there may be."""
    return gigaflop(missing_modality_network(kind), num_modalities), most


def gigaflop_from_published(kind: type[nn.Module], published: float) -> tuple[float, float]:
    """How far the operations with four modalities are from the published network's, RFNet with its fusion in 7-D."""
    network = missing_modality_network(kind)
    for module in network.modules():
        if isinstance(module, RegionAwareFusion):
            module.weighted_by_region = partial(weighted_by_region_in_7d, module)
    return abs(gigaflop(network, 4) - published), published


def parameters_from_published(kind: type[nn.Module], published: int) -> tuple[float, float]:
    """How far the number of parameters, in millions, is from the published network's without those it never uses."""
    with torch.device("meta"):
        ours = sum(parameter.numel() for parameter in kind().parameters())
    return abs(ours - published) / 1e6, published / 1e6


def one_against_four_modalities(kind: type[nn.Module]) -> tuple[float, float]:
    """Seconds for segmenting 80^3 voxels with one of four modalities, and with all."""
    network = missing_modality_network(kind)

    def infer(image: Tensor) -> None:
        with torch.no_grad():
            network(image)

    one, four = best_seconds(partial(infer, image_of(1)), partial(infer, image_of(4)), repeats=3)
    return one, four


def weighted_by_region_in_7d(fusion: RegionAwareFusion, packed: Tensor, _: Tensor, probabilities: Tensor) -> Tensor:
    """`RegionAwareFusion.weighted_by_region` in the published steps: every modality times every region, then sums."""
    channels = packed.shape[2]
    maps = probabilities.unsqueeze(2).repeat(1, 1, channels, 1, 1, 1)
    everything = torch.stack(
        [modality.unsqueeze(1) * maps for modality in packed.unbind(1)], dim=1
    )  # (B, M, R, C, ...)
    weighted = []
    for region, weigh in enumerate(fusion.weigh):
        features = everything[:, :, region]
        shares = maps[:, region].mean(dim=(2, 3, 4)) + 1e-7  # (B, C), C times the same number
        pooled = features.mean(dim=(3, 4, 5)) / shares.unsqueeze(1)
        weights = weigh(torch.cat([pooled.flatten(1), shares[:, :1]], dim=1)).sigmoid()
        weighted.append((features * weights[..., None, None, None, None]).sum(dim=1))
    return torch.stack(weighted, dim=1)


def region_aware_fusion(
    seven_dimensions: bool, training: bool = False, size: int = 64
) -> tuple[RegionAwareFusion, list[Tensor]]:
    """Build RFNet's finest fusion, 16 channels and 4 regions, and its inputs of size^3 voxels and four modalities."""
    torch.manual_seed(0)
    fusion = RegionAwareFusion(channels=16, num_modalities=4, num_regions=4)
    packed, probabilities = torch.randn(1, 4, 16, size, size, size), torch.randn(1, 4, size, size, size).softmax(dim=1)
    if seven_dimensions:
        fusion.weighted_by_region = partial(weighted_by_region_in_7d, fusion)
    return fusion, [packed.requires_grad_(training), torch.arange(4)[None], probabilities]


def fusion_against_7d() -> tuple[float, float]:
    """Seconds for a fusion by regions, without and with the 7-D tensor; both must give the same."""
    (ours, inputs), (reference, _) = (region_aware_fusion(seven_dimensions) for seven_dimensions in (False, True))
    with torch.no_grad():
        torch.testing.assert_close(ours(*inputs), reference(*inputs), atol=1e-5, rtol=0)
        fast, slow = best_seconds(partial(ours, *inputs), partial(reference, *inputs), repeats=5)
    return fast, slow


def fusion_memory_against_7d() -> tuple[float, float]:
    """Peak memory in GB of a training step of a fusion by regions, without and with the 7-D tensor."""
    peaks = []
    for seven_dimensions in ("False", "True"):
        command = [sys.executable, "-c", FUSION_STEP, seven_dimensions]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]) / 1e6)
    return peaks[0], peaks[1]


# What is measured: (name, function that gives seconds (or GB) of ours and of the reference, largest ratio allowed).
BENCHMARKS = [
    ("fuzzy membership / avg_pool3d, 4 x 96 x 128 x 128", membership_against_average_pooling, 1.00),
    ("VNet step 64^3 with / without fuzzy loss", fuzzy_loss_in_a_training_step, 1.05),
    ("object F1, Dice, Hausdorff of 775 x 522 with 15 glands / 0.3 s", object_scores_of_a_gland_image, 1.00),
    ("peak memory in GB, glands in 5000 x 5000 / 4 GB", memory_for_a_large_gland_image, 1.00),
    ("the same: a brain of 480 x 480 x 300, 4 classes / 1.5 x logits + image", memory_for_a_large_brain, 1.00),
    ("TaskInteractionUNet / FlexibleUNet, b4, 4 at 224: step", partial(interaction_against_flexible_unet, True), 1.60),
    ("the same: inference", partial(interaction_against_flexible_unet, False), 1.60),
    (
        "10^9 operations, mmFormer, one of four modalities of 80^3 / 40",
        partial(gigaflop_within, MMFormer, 1, 40),
        1,
    ),
    ("the same: RFNet / 150", partial(gigaflop_within, RFNet, 1, 150), 1),
    ("the same: RobustSeg / 85", partial(gigaflop_within, RobustSeg, 1, 85), 1),
    ("the same: CLoE / 85", partial(gigaflop_within, CLoE, 1, 85), 1),
    ("the same: two, CLoE, whose gate cannot act / 115", partial(gigaflop_within, CLoE, 2, 115), 1),
    ("the same: four, CLoE / 375", partial(gigaflop_within, CLoE, 4, 375), 1),
    ("the same: four, mmFormer, away from the published 60.6", partial(gigaflop_from_published, MMFormer, 60.6), 0.02),
    ("the same: four, RFNet, 7-D, away from 203.6", partial(gigaflop_from_published, RFNet, 203.6), 0.02),
    ("the same: four, RobustSeg, away from 181.76", partial(gigaflop_from_published, RobustSeg, 181.76), 0.02),
    ("the same: M3AE, away from 72.3", partial(gigaflop_from_published, M3AE, 72.3), 0.02),
    ("million parameters, mmFormer, away from 36.39", partial(parameters_from_published, MMFormer, 36_391_760), 0),
    ("the same: RFNet, away from 8.98", partial(parameters_from_published, RFNet, 8_984_960), 0),
    ("the same: RobustSeg, away from 37.46", partial(parameters_from_published, RobustSeg, 37_455_749), 0.02),
    ("the same: ShaSpec, away from 187.71", partial(parameters_from_published, ShaSpec, 187_708_132), 0.02),
    ("the same: M3AE, away from 4.70", partial(parameters_from_published, M3AE, 4_700_000), 0.02),
    ("mmFormer at 80^3, one / four of four modalities", partial(one_against_four_modalities, MMFormer), 0.75),
    ("the same: RFNet", partial(one_against_four_modalities, RFNet), 0.75),
    ("the same: RobustSeg", partial(one_against_four_modalities, RobustSeg), 0.75),
    ("the same: CLoE", partial(one_against_four_modalities, CLoE), 0.35),
    ("RFNet's fusion by regions at 64^3 / with the 7-D tensor", fusion_against_7d, 0.50),
    ("the same: peak memory in GB of a training step", fusion_memory_against_7d, 0.50),
]


def main() -> None:
    """Print one row per benchmark; exit status 1 if a bound is missed."""
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
    sys.exit(1 if missed else 0)
