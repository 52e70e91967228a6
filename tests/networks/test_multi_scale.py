"""Multi-scale fusion, dual attention, and the block that holds both."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from torch import nn

from shared.networks import DualAttention, HierarchicalMultiScaleFusion, MultiScaleBlock, SeparableConv2d


def values(tensor):
    return tensor.detach().double().numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dense(layer, x):
    return values(layer.weight) @ x + values(layer.bias)


def pointwise(layer, x):
    return np.einsum("oc,chw->ohw", values(layer.weight)[:, :, 0, 0], x) + values(layer.bias)[:, None, None]


def separable(layer, x, dilation):
    """SciPy's correlation of each channel with its own kernel, spread out by zeros."""
    spread = np.zeros((len(x), 2 * dilation + 1, 2 * dilation + 1))
    spread[:, ::dilation, ::dilation] = values(layer[0].weight)[:, 0]
    each = np.stack([correlate(channel, kernel, mode="constant") for channel, kernel in zip(x, spread, strict=True)])
    return pointwise(layer[1], each)


def fused(module, x):
    """Eqs. 9 and 10 for one image."""
    scores = dense(module.score[2], np.maximum(dense(module.score[0], x.mean(axis=(1, 2))), 0))
    shares = np.exp(scores) / np.exp(scores).sum()
    maps = [separable(scale, x, dilation) for scale, dilation in zip(module.scales, (1, 2, 4), strict=True)]
    return pointwise(module.project, sum(share * each for share, each in zip(shares, maps, strict=True)))


def attended(module, x):
    hidden = np.maximum(dense(module.channel_gate[0], x.mean(axis=(1, 2))), 0)
    channels = sigmoid(dense(module.channel_gate[2], hidden))
    kernel = values(module.place_gate.weight)[0]
    summary = (x.max(axis=0), x.mean(axis=0))
    places = sum(correlate(each, weight, mode="constant") for each, weight in zip(summary, kernel, strict=True))
    return x * channels[:, None, None] * sigmoid(places + values(module.place_gate.bias))


def images(channels=16, size=(9, 8)):
    torch.manual_seed(0)
    return torch.randn(2, channels, *size)


def assert_same(output, expected):
    np.testing.assert_allclose(output.detach().numpy(), np.stack(expected), rtol=1e-4, atol=1e-5)


def test_fusion_is_eqs_9_and_10():
    x, module = images(), HierarchicalMultiScaleFusion(16)
    assert_same(module(x), [fused(module, image) for image in values(x)])


def test_shares_sum_to_one_and_differ_between_images():
    torch.manual_seed(0)
    shares = HierarchicalMultiScaleFusion(16).shares(torch.randn(2, 16, 8, 8) + torch.randn(2, 16, 1, 1))
    assert shares.shape == (2, 3)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2))
    assert (shares[0] - shares[1]).abs().max() > 1e-3


def test_receptive_fields_are_3_5_and_9():
    """A single pixel's influence, in either direction."""
    for dilation, width in ((1, 3), (2, 5), (4, 9)):
        scale = SeparableConv2d(1, 1, dilation)
        x = torch.zeros(1, 1, 15, 15)
        x[0, 0, 7, 7] = 1
        places = (scale(x) - scale[1].bias).abs()[0, 0] > 1e-6
        assert places.sum() == 9
        rows = places.any(dim=1).nonzero()
        assert rows.max() - rows.min() + 1 == width


def test_attention_is_a_gate_per_channel_times_a_gate_per_place():
    x, module = images(), DualAttention(16)
    assert_same(module(x), [attended(module, image) for image in values(x)])


def test_gates_of_one_half_leave_a_quarter():
    module, x = DualAttention(16), images()
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    torch.testing.assert_close(module(x), x / 4)


@pytest.mark.parametrize("out_channels", [16, 24])
@pytest.mark.parametrize(("fusion", "attention"), [(True, True), (True, False), (False, False)])
def test_block_in_its_order(out_channels, fusion, attention):
    x, block = images(), MultiScaleBlock(16, out_channels, fusion, attention)
    norms = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 2
    for norm in norms:
        for parameter in (norm.weight, norm.bias, norm.running_mean):
            nn.init.normal_(parameter)
        nn.init.uniform_(norm.running_var, 0.5, 2)

    def normalised(norm, each):
        mean, var, weight, bias = (
            values(v)[:, None, None] for v in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        )
        return (each - mean) / np.sqrt(var + 1e-3) * weight + bias

    def written_out(image):
        first, _, norm, second, *_ = block.residual
        each = normalised(norm, np.maximum(separable(first, image, 1), 0))
        each = normalised(block.residual[4], separable(second, each, 1))
        each = fused(block.residual[5], each) if fusion else each
        each = attended(block.residual[6], each) if attention else each
        shortcut = image if out_channels == 16 else pointwise(block.shortcut, image)
        return np.maximum(shortcut + each, 0)

    assert_same(block.eval()(x), [written_out(image) for image in values(x)])
