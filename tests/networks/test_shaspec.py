import math

import pytest
import torch
from plain_layers import normal_act
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from shared.networks import ShaSpec

BLOCKS = (2, 1, 1, 1)


def image(size=(64, 64, 32)):
    return torch.randn(1, 4, *size, generator=torch.Generator().manual_seed(1))


def make():
    """A small network whose normalisations have learned something."""
    torch.manual_seed(0)
    network = ShaSpec(features=2, blocks=BLOCKS)
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1:
            torch.nn.init.uniform_(parameter, *((0.5, 1.5) if name.endswith("weight") else (-0.5, 0.5)))
    return network


def conv(weights, name, x, stride=1, dilation=1):
    """Convolution of kernels with mean 0 and variance 1 (of a sample), zeros around."""
    rows = weights[f"{name}.weight"].flatten(1)
    centred = rows - rows.mean(dim=1, keepdim=True)
    variance = centred.square().sum(dim=1, keepdim=True) / (rows.shape[1] - 1)
    kernel = (centred / variance.sqrt()).view_as(weights[f"{name}.weight"])
    padding = dilation * (kernel.shape[-1] // 2)
    return functional.conv3d(x, kernel, stride=stride, padding=padding, dilation=dilation)


def norm(weights, name, x, slope=0.01):
    scale, shift = (weights[f"{name}.{part}"].view(-1, 1, 1, 1) for part in ("weight", "bias"))
    return normal_act(x, slope, scale, shift)


def leaky(x):
    return torch.where(x > 0, x, 0.01 * x)


def bottleneck(weights, name, x, stride):
    y = norm(weights, f"{name}.bn1", conv(weights, f"{name}.conv1", x))
    y = norm(weights, f"{name}.bn2", conv(weights, f"{name}.conv2", y, stride))
    y = norm(weights, f"{name}.bn3", conv(weights, f"{name}.conv3", y), slope=1.0)
    if f"{name}.downsample.0.weight" in weights:
        x = norm(weights, f"{name}.downsample.1", conv(weights, f"{name}.downsample.0", x, stride), slope=1.0)
    return leaky(y + x)


def encoder(weights, name, x):
    """Return the feature maps of the skip connections, the deepest ones, and the mean in front of the dilations."""

    def unit(part, x, dilation=1):
        return norm(weights, f"{name}.{part}.adn.N", conv(weights, f"{name}.{part}.conv", x, 1, dilation))

    x = norm(weights, f"{name}.stem.1", conv(weights, f"{name}.stem.0", x, stride=(2, 2, 1)))
    skips = [x]
    x = functional.max_pool3d(x, 3, stride=2, padding=1)
    for stage, count in enumerate(BLOCKS):
        for block in range(count):
            x = bottleneck(weights, f"{name}.stages.{stage}.{block}", x, 2 if stage and not block else 1)
        skips.append(x)
    x = unit("reduce", x)
    rates = (1, 2, 4, 8)
    branches = [unit(f"branches.{i}", x, rate) for i, rate in enumerate(rates)]
    return skips[:4], unit("merge", torch.cat(branches, dim=1)), x.mean(dim=(2, 3, 4))


def written_out(weights, x, available):
    """Return the logits, the shared features and the logits of the domains of one image."""
    fused, shared, domains, skips = [None] * 4, {}, {}, {}
    for m in available:
        own = x[:, m : m + 1]
        skips[m], r, _ = encoder(weights, "encoders.shared", own)
        _, s, pooled = encoder(weights, f"encoders.by_modality.{m}", own)
        fused[m] = r + conv(weights, "compose", torch.cat([r, s], dim=1))  # Eq. 2
        shared[m] = r
        domains[m] = pooled @ weights["domain_classifier.weight"].T + weights["domain_classifier.bias"]
    nothing = [torch.zeros_like(level) for level in skips[available[0]]]
    levels = [torch.cat(maps, dim=1) for maps in zip(*(skips.get(m, nothing) for m in range(4)), strict=True)]
    mean = sum(shared.values()) / len(shared)  # Eq. 4
    y = torch.cat([mean if features is None else features for features in fused], dim=1)
    for i in range(4):
        name = f"decoder.{i}"
        y = functional.conv_transpose3d(y, weights[f"{name}.up.weight"], stride=2)
        y = y + norm(weights, f"{name}.norm", conv(weights, f"{name}.skip", levels[3 - i]))
        z = norm(weights, f"{name}.block.bn1", conv(weights, f"{name}.block.conv1", y))
        y = leaky(norm(weights, f"{name}.block.bn2", conv(weights, f"{name}.block.conv2", z), slope=1.0) + y)
    logits = functional.conv3d(y, weights["head.weight"])
    return functional.interpolate(logits, scale_factor=(2, 2, 1), mode="trilinear"), shared, domains


@pytest.mark.parametrize("available", [[2], [1, 3], [0, 1, 2, 3]])
@torch.no_grad()
def test_is_the_published_network_written_out(available):
    network, keep = make(), torch.tensor([[m in available for m in range(4)]])
    output, (logits, shared, domains) = network(image(), keep), written_out(network.state_dict(), image(), available)
    torch.testing.assert_close(output["pred"], logits, rtol=1e-3, atol=1e-3)
    for m in available:
        torch.testing.assert_close(output["shared"][:, m], shared[m], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(output["domain_logits"][:, m], domains[m], rtol=1e-3, atol=1e-3)


def convolutions(features, blocks):
    """Yield inputs, outputs and taps of an encoder's convolutions, and the share of the image's voxels they are at."""
    yield 1, features, 343, 1 / 4
    below, places = features, 1 / 32
    for stage, (width, count) in enumerate(zip((1, 2, 4, 5), blocks, strict=True)):
        width *= features
        for block in range(count):
            yield below, width, 1, places
            places /= 8 if stage and not block else 1
            yield width, width, 27, places
            yield width, 4 * width, 1, places
            if not block:
                yield below, 4 * width, 1, places
            below = 4 * width
    deepest = 4 * features
    yield below, deepest, 1, places
    for taps in (1, 27, 27, 27):
        yield deepest, deepest, taps, places
    yield 4 * deepest, deepest, 1, places


def decoder_levels(features):
    """Channels below, of the level and of a modality's skip connection."""
    widths = [4 * features, 2 * features, features, features // 2]
    return zip((16 * features, *widths[:3]), widths, (16 * features, 8 * features, 4 * features, features), strict=True)


def test_default_has_the_number_of_parameters_of_the_published_layers():
    """Without the branch that has no influence, 0.35 % fewer than the published code's."""
    encoder_ = sum(inputs * outputs * taps + 2 * outputs for inputs, outputs, taps, _ in convolutions(64, (3, 4, 6, 3)))
    levels = [8 * below * c + 4 * skip * c + 2 * c + 2 * (27 * c * c + 2 * c) for below, c, skip in decoder_levels(64)]
    rest = 27 * 512 * 256 + (256 + 1) * 4 + 32 * 4  # Eq. 2, domains, classes
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in ShaSpec().parameters())
    assert count == 5 * encoder_ + sum(levels) + rest == 187_050_244
    branch = 256 * 256 + 2 * 256 + 256 * 256  # with its part of the convolution that merges the branches
    assert count + 5 * branch - 32 == 187_708_132  # the published code has three outputs


def test_operations_are_those_of_the_published_layers_for_what_is_there():
    """An absent modality saves two passes through an encoder, Eq. 2 and its part of the skip connections."""
    network = ShaSpec(features=4, blocks=(1, 1, 1, 1)).eval()
    of_encoder = sum(math.prod(convolution) for convolution in convolutions(4, (1, 1, 1, 1)))
    for present in (1, 4):
        expected = 2 * present * of_encoder + present * 27 * 32 * 16 / 2**14 + 2 * 4 / 4
        for level, (below, c, skip) in enumerate(decoder_levels(4)):
            places = 8 ** (level + 1) / 2**14 if level < 3 else 1 / 4
            expected += 8 * below * c * places / 8 + (present * skip * c + 2 * 27 * c * c) * places
        scan = image()
        scan[:, present:] = torch.nan
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(scan)
        assert counter.get_total_flops() == 2 * expected * 64 * 64 * 32


@torch.no_grad()
def test_any_size_is_padded_by_zeros_to_what_the_network_halves():
    network, small = make().eval(), image((40, 24, 18))
    padded = torch.zeros(1, 4, 64, 32, 32)
    padded[:, :, :40, :24, :18] = small
    torch.testing.assert_close(network(small), network(padded)[:, :, :40, :24, :18])
