import pytest
import torch

from shared.networks.standardized_resnet import StandardizedResNet
from shared.networks.weight_standardization import StandardizedConv2d


def test_a_filter_is_brought_to_mean_0_and_variance_1():
    convolution = StandardizedConv2d(1, 1, (1, 2), bias=False)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([1.0, 5.0]).view(1, 1, 1, 2))  # mean 3, variance 4: -1 and 1
    image = torch.tensor([2.0, 3.0, 7.0]).view(1, 1, 1, 3)
    torch.testing.assert_close(convolution(image).flatten(), torch.tensor([1.0, 4.0]), rtol=1e-5, atol=0)


def test_scale_and_shift_of_the_filters_do_not_matter():
    torch.manual_seed(0)
    network = StandardizedResNet(width=32, layers=(1, 1)).eval()
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = network(image)
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                assert isinstance(module, StandardizedConv2d)
                module.weight.mul_(30).add_(2)
        for features, before in zip(network(image), expected, strict=True):
            torch.testing.assert_close(features, before, rtol=1e-2, atol=2e-2)  # 1e-5 is added to the variance


def test_maps_are_a_half_to_a_sixteenth_of_the_image():
    network = StandardizedResNet(in_channels=1, width=32, layers=(1, 2, 1))
    assert network.channels == [32, 128, 256, 512]
    maps = network(torch.randn(1, 1, 48, 80))
    assert [tuple(features.shape[1:]) for features in maps] == [
        (32, 24, 40),
        (128, 12, 20),
        (256, 6, 10),
        (512, 3, 5),
    ]


def test_refuses_widths_that_the_groups_do_not_divide():
    with pytest.raises(ValueError, match="width must be a multiple of 32, got 48"):
        StandardizedResNet(width=48)
