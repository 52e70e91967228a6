"""Normalisation, activation and padding in one function: the same numbers as in three."""

import pytest
import torch
from monai.data import MetaTensor
from torch.nn import functional

from shared.networks import MMFormer
from shared.networks.conv_blocks import ConvNormAct, NormActConv
from shared.networks.norm_act_pad import CACHED, can_norm_act_pad, norm_act_pad

CHANNELS_LAST = torch.channels_last_3d


def in_three_steps(features, padding):
    active = functional.leaky_relu(functional.instance_norm(features), 0.2)
    return functional.pad(active, [padding] * 6, mode="reflect") if padding else active


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("shape", [(3, 4, 5, 2, 6), (2, 1, 3, 4, 5)])
def test_value_and_gradient_are_those_of_three_steps(shape, padding):
    torch.manual_seed(0)
    features = (3 * torch.randn(shape, dtype=torch.float64) + 5).to(memory_format=CHANNELS_LAST).requires_grad_()
    one, three = norm_act_pad(features, 0.2, 1e-5, padding), in_three_steps(features, padding)
    torch.testing.assert_close(one, three)
    weights = torch.randn_like(three)  # of other strides than the channels-last result
    of_one, of_three = (torch.autograd.grad(result, features, weights)[0] for result in (one, three))
    torch.testing.assert_close(of_one, of_three)
    assert one.is_contiguous(memory_format=CHANNELS_LAST)


def test_a_meta_tensor_becomes_a_plain_one():
    features = torch.randn(1, 2, 3, 4, 5).to(memory_format=CHANNELS_LAST)
    one = norm_act_pad(MetaTensor(features), 0.2, 1e-5, 1)
    assert type(one) is torch.Tensor
    assert torch.equal(one, norm_act_pad(features, 0.2, 1e-5, 1))


def test_parts_of_a_batch_are_put_together():
    torch.manual_seed(0)
    features = torch.randn(5, 4, 32, 40, 50).to(memory_format=CHANNELS_LAST)
    assert features[0].numel() <= CACHED / 2 < CACHED < features.numel(), "two samples a part, the last one alone"
    torch.testing.assert_close(norm_act_pad(features, 0.2, 1e-5, 1), in_three_steps(features, 1), rtol=1e-5, atol=1e-5)


def test_a_mean_far_from_zero_costs_no_digits():
    features = (torch.randn(1, 2, 16, 16, 16) + 1000).to(memory_format=CHANNELS_LAST)
    expected = in_three_steps(features.double(), 0).float()
    torch.testing.assert_close(norm_act_pad(features, 0.2, 1e-5, 0), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("block", [ConvNormAct, NormActConv])
@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"kernel_size": 1}, {"padding_mode": "zeros"}])
def test_blocks_return_the_same_in_both_layouts(block, options):
    torch.manual_seed(0)
    layers, features = block(4, 8, **options), torch.randn(2, 4, 16, 14, 12, requires_grad=True)
    plain = layers(features)
    assert not plain.is_contiguous(memory_format=CHANNELS_LAST)
    fused = layers.to(memory_format=CHANNELS_LAST)(features.to(memory_format=CHANNELS_LAST))
    assert "NormActPad" in ancestors(fused.grad_fn)
    torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-5)


def ancestors(function):
    """Return the names of all steps of a graph, in one text."""
    return function.name() + "".join(ancestors(before) for before, _ in function.next_functions if before)


def test_other_maps_are_left_to_pytorch():
    features = torch.randn(1, 2, 4, 4, 4)
    last = features.to(memory_format=CHANNELS_LAST)
    assert can_norm_act_pad(last)
    assert not can_norm_act_pad(features)
    assert not can_norm_act_pad(last.bfloat16())
    assert not can_norm_act_pad(last.to("meta"))
    assert not can_norm_act_pad(last[:, :, :1])


def test_mmformer_trains_alike_in_both_layouts():
    """Small steps of SGD: normalisations over eight voxels enlarge differences of rounding, Adam does so even more."""

    def train(layout):
        torch.manual_seed(0)
        settings = {"features": 4, "img_size": (32, 32, 32), "hidden_size": 8, "mlp_dim": 12, "num_heads": 2}
        network = MMFormer(dropout_rate=0.0, in_channels=2, **settings).to(memory_format=layout).train()
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
        image, keep = torch.randn(1, 2, 32, 32, 32), torch.tensor([[True, False]])
        losses = []
        for _ in range(5):
            output = network(image, keep)
            levels = [output["pred"], output["experts"], *output["deep_supervision"]]
            loss = sum((level - 1).square().mean() for level in levels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    plain, fused = train(torch.contiguous_format), train(CHANNELS_LAST)
    assert plain[4] < 0.99 * plain[0], "the steps change something"
    assert fused == pytest.approx(plain, rel=1e-5)
