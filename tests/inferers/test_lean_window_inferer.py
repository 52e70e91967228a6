import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shared.inferers import LeanWindowInferer

CASES = [  # size, window, overlap
    ((20, 26), (8, 12), 0.25),
    ((10, 12, 14), (4, 6, 8), 0.5),
    ((9, 7, 13), (8, 8, 6), (0.5, 0.3, 0.7)),  # shorter than the window along one axis, and no multiple of it
]


def convolution(spatial_dims):
    torch.manual_seed(0)
    return (nn.Conv2d, nn.Conv3d)[spatial_dims - 2](3, 2, kernel_size=3, padding=1)


@torch.no_grad()
@pytest.mark.parametrize("mode", ["constant", "gaussian"])
@pytest.mark.parametrize(("size", "window", "overlap"), CASES)
def test_the_numbers_are_monais_bit_for_bit(size, window, overlap, mode):
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    network = convolution(len(size))
    expected = SlidingWindowInferer(window, 3, overlap, mode)(image, network)
    assert torch.equal(LeanWindowInferer(window, 3, overlap, mode)(image, network), expected)


class LargestCount(TorchDispatchMode):
    """Count the new tensors that have one channel and the image's size."""

    def __init__(self, shape):
        super().__init__()
        self.shape, self.number = shape, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.number += sum(isinstance(leaf, torch.Tensor) and leaf.shape == self.shape for leaf in tree_leaves(result))
        return result


@torch.no_grad()
def test_no_volume_counts_the_windows():
    image, network = torch.randn(1, 3, 10, 12, 14), convolution(3)
    numbers = []
    for kind in (LeanWindowInferer, SlidingWindowInferer):
        with LargestCount((1, 1, 10, 12, 14)) as mode:
            kind((4, 6, 8), 2, 0.5)(image, network)
        numbers.append(mode.number)
    assert numbers[0] == 0 < numbers[1]


@torch.no_grad()
def test_the_affine_stays():
    image = MetaTensor(torch.zeros(1, 3, 8, 8, 8), affine=torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0])))
    assert torch.equal(LeanWindowInferer((4, 4, 4))(image, convolution(3)).affine, image.affine)


def test_a_network_that_gives_something_else_is_refused():
    image = torch.zeros(1, 3, 8, 8)
    with pytest.raises(
        ValueError, match=r"expected one tensor \(B, C, \*\(4, 4\)\) from the network, got \(1, 3, 2, 2\)"
    ):
        LeanWindowInferer((4, 4))(image, lambda window: window[..., ::2, ::2])
    with pytest.raises(ValueError, match="from the network, got dict"):
        LeanWindowInferer((4, 4))(image, lambda window: {"pred": window})
