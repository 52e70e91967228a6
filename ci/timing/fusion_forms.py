"""Benchmarks of RFNet's fusion by regions, against the published form with a tensor of seven dimensions."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from shared.networks import RegionAwareFusion

from .best_seconds import best_seconds
from .peak_memory import last_number

__all__ = ["fusion_against_7d", "fusion_memory_against_7d", "weighted_by_region_in_7d"]

# Peak memory of one training step, less what the process took before: a process of its own, since the peak is that of
# all it ever did. Read from Linux's own account, since the peak that `resource` knows is handed down by the process
# that starts this one. Argument: is it the 7-D form? The last line is the peak in kilobytes.
FUSION_STEP = """
import sys
from pathlib import Path
from ci.timing.fusion_forms import region_aware_fusion
def kilobytes(what):
    return int(Path("/proc/self/status").read_text().split(what + ":")[1].split()[0])
for size in (8, 64):  # the first step loads what any needs
    fusion, inputs = region_aware_fusion(sys.argv[1] == "True", training=True, size=size)
    before = kilobytes("VmRSS")
    fusion(*inputs).square().mean().backward()
print(kilobytes("VmHWM") - before)
"""


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
    return last_number(FUSION_STEP, "False") / 1e6, last_number(FUSION_STEP, "True") / 1e6
