"""Benchmarks of networks for missing modalities: operations, parameters, time with fewer modalities."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from shared.networks import MMFormer, RegionAwareFusion

from .best_seconds import best_seconds
from .fusion_forms import weighted_by_region_in_7d

__all__ = ["gigaflop_from_published", "gigaflop_within", "one_against_four_modalities", "parameters_from_published"]


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
