"""A small CLoE with a gate as if trained, and images for it."""

import torch

from shared.networks import CLoE

NAN = float("nan")
SIZE = (16, 16, 24)


def small_cloe(**options):
    torch.manual_seed(0)
    network = CLoE(**{"features": 2, **options})
    if network.gate is not None:
        torch.nn.init.normal_(network.gate.perceptron[2].weight, std=5)  # as if trained
    return network


def volume(batch=1, modalities=4, seed=1):
    return torch.randn(batch, modalities, *SIZE, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def run(network, *args, **more):
    return network.eval()(*args, **more)
