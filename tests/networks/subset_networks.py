"""Small networks that take any subset of the modalities, and images for them."""

import pytest
import torch

from shared.networks import M3AE, UHVED, CLoE, MMFormer, RFNet, RobustSeg, ShaSpec, UHeMIS

NAN = float("nan")
SIZES = {
    **dict.fromkeys((CLoE, M3AE, RFNet, RobustSeg, UHeMIS, UHVED), (16, 16, 16)),
    MMFormer: (32, 32, 32),
    ShaSpec: (40, 24, 16),
}
every_network = pytest.mark.parametrize("kind", SIZES, ids=lambda kind: kind.__name__)


def make(kind, **options):
    torch.manual_seed(0)
    settings = {"features": 2, **options}
    if kind is M3AE:
        settings = {"extent_mm": (6.0, 8.0, 10.0), **settings}
    if kind is MMFormer:
        tiny = {"img_size": SIZES[kind], "hidden_size": 8, "mlp_dim": 12, "num_heads": 2, "dropout_rate": 0.0}
        settings = {**tiny, **settings}
    if kind is ShaSpec:
        settings = {"blocks": (1, 1, 1, 1), **settings}
    network = kind(**settings)
    if kind is MMFormer:
        for within in network.within:
            torch.nn.init.normal_(within.positions)  # as if trained
    if kind is M3AE:
        torch.nn.init.normal_(network.learned_image.values)
    if kind is CLoE:
        torch.nn.init.normal_(network.gate.perceptron[2].weight)  # as if trained
    return network


def volume(kind, batch=1, modalities=4, seed=1):
    return torch.randn(batch, modalities, *SIZES[kind], generator=torch.Generator().manual_seed(seed))


def mixed(kind):
    """Three samples: the second, the first, third and fourth, and none absent; absent ones are NaN in a corner."""
    image = volume(kind, batch=3)
    image[0, 1, :3] = NAN
    image[1, [0, 2, 3], :3] = NAN
    return image


def tensors(output):
    return [item for value in output.values() for item in (value if isinstance(value, list) else [value])]


@torch.no_grad()
def run(network, *args):
    return network.eval()(*args)
