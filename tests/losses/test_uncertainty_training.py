"""Four losses and a network train together, in one process or wrapped for several."""

import copy

import pytest
import torch
import torch.distributed as dist
from gland_losses import gland_case, weighted_gland_losses
from torch import nn

from shared.networks import GlandUNet


@pytest.fixture
def process_group():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def gland_training():
    torch.manual_seed(0)
    network = GlandUNet(features=(4, 6, 8))
    _, target = gland_case(size=16)
    return network, weighted_gland_losses(), torch.rand(2, 3, 16, 16), target


def train(network, weighted, image, target, steps=3):
    optimizer = torch.optim.SGD([*network.parameters(), *weighted.parameters()], lr=0.01, momentum=0.9)
    values = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = weighted(network(image), target)
        value.backward()
        optimizer.step()
        values.append(value.item())
    return values


def test_four_losses_train_the_whole_network_and_the_scalars():
    network, weighted, image, target = gland_training()
    before = copy.deepcopy(weighted.state_dict())
    values = train(network, weighted, image, target)
    assert values[-1] < values[0]
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert all(weighted.state_dict()[name] != value for name, value in before.items())


def test_trains_the_same_in_distributed_data_parallel(process_group):
    """It would refuse the second step if a parameter had no part in the first."""
    expected = train(*gland_training())
    network, weighted, image, target = gland_training()
    wrapped = [nn.parallel.DistributedDataParallel(module) for module in (network, weighted)]
    assert train(*wrapped, image, target) == expected


def test_weight_zero_keeps_a_head_in_distributed_data_parallel(process_group):
    network, _, image, target = gland_training()
    only_class = weighted_gland_losses(weights={"class": 1.0, "mask": 0.0})
    train(nn.parallel.DistributedDataParallel(network), only_class, image, target)
