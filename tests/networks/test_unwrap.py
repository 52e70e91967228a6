import pytest
import torch
from torch import nn

from shared.networks.unwrap import unwrap

WRAPPERS = {
    "nothing": lambda network: network,
    "parallel": nn.DataParallel,
    "compiled": torch.compile,
    "compiled, then parallel": lambda network: nn.DataParallel(torch.compile(network)),
    "parallel, then compiled": lambda network: torch.compile(nn.DataParallel(network)),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_the_network_is_found_in_every_wrapper(wrap):
    network = nn.Linear(2, 3)
    assert unwrap(wrap(network)) is network
