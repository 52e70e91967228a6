import pytest
import torch
from plain_layers import conv, normal_act
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from shared.networks import RobustSeg


def image(batch=1):
    return torch.randn(batch, 4, 16, 24, 16, generator=torch.Generator().manual_seed(1))


def make():
    """A small network whose gates have learned something."""
    torch.manual_seed(0)
    network = RobustSeg(features=2, style_values=3)
    for fusion in network.fusions:
        torch.nn.init.uniform_(fusion.norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(fusion.norm.bias, -1.0, 1.0)
    return network


def block(weights, name, x, stride=1):
    return normal_act(conv(weights, f"{name}.conv", x, stride))


def encoder(weights, name, x):
    levels = []
    for level in range(4):
        x = block(weights, f"{name}.levels.{level}.enter", x, stride=2 if level else 1)
        residual = block(weights, f"{name}.levels.{level}.residual.0", x)
        x = x + block(weights, f"{name}.levels.{level}.residual.1", residual)
        levels.append(x)
    return levels


def fusion(weights, name, features):
    """Four sigmoid maps of the concatenation, absent modalities zero; gated concatenation through a 1^3 block."""
    maps = conv(weights, f"{name}.maps", torch.cat(features, dim=1))
    mean, variance = maps.mean(dim=(2, 3, 4), keepdim=True), maps.var(dim=(2, 3, 4), keepdim=True, unbiased=False)
    scale, shift = (weights[f"{name}.norm.{part}"].view(-1, 1, 1, 1) for part in ("weight", "bias"))
    maps = torch.sigmoid((maps - mean) / (variance + 1e-5).sqrt() * scale + shift)
    gated = [x * maps[:, m : m + 1] for m, x in enumerate(features)]
    return normal_act(conv(weights, f"{name}.fuse", torch.cat(gated, dim=1)))


def nearest(x):
    for axis in (2, 3, 4):
        x = x.repeat_interleave(2, dim=axis)
    return x


def decoder(weights, levels):
    x = levels[3]
    for i in range(3):
        x = torch.cat([block(weights, f"decoder.levels.{i}.up.1", nearest(x)), levels[2 - i]], dim=1)
        x = block(weights, f"decoder.levels.{i}.merge.1", block(weights, f"decoder.levels.{i}.merge.0", x))
    return conv(weights, "decoder.head", x)


def written_out(weights, x, available):
    """Return the logits and the deepest fused feature map, with zeros for the features of absent modalities."""
    encoded = [encoder(weights, f"encoders.by_modality.{m}", x[:, m : m + 1]) for m in range(4)]
    kept = [[level * (m in available) for level in levels] for m, levels in enumerate(encoded)]
    fused = [fusion(weights, f"fusions.{i}", list(levels)) for i, levels in enumerate(zip(*kept, strict=True))]
    return decoder(weights, fused), fused[3]


@pytest.mark.parametrize("available", [[0], [1, 3], [0, 1, 2, 3]])
@torch.no_grad()
def test_is_the_published_network_written_out(available):
    network = make().eval()
    expected, _ = written_out(network.state_dict(), image(), available)
    keep = torch.tensor([[m in available for m in range(4)]])
    torch.testing.assert_close(network(image(), keep), expected, rtol=1e-3, atol=1e-3)


def image_decoder(weights, name, content, style):
    """Four blocks whose normalisations the style decides, then three times nearest neighbour and 5^3 convolution."""

    def linear(layer, x):
        return x @ weights[f"{name}.{layer}.weight"].T + weights[f"{name}.{layer}.bias"]

    hidden = linear("hidden.2", linear("hidden.0", style).relu()).relu()
    shift = linear("mean", hidden)[:, :, None, None, None]
    scale = (linear("log_variance", hidden) / 2).exp()[:, :, None, None, None]

    def adaptive(z):
        mean, std = z.mean(dim=(2, 3, 4), keepdim=True), z.std(dim=(2, 3, 4), keepdim=True, correction=0)
        return scale * (z - mean) / (std + 1e-5) + shift

    x = content
    for i in range(4):
        inner = adaptive(conv(weights, f"{name}.blocks.{i}.first", x)).relu()
        x = x + adaptive(conv(weights, f"{name}.blocks.{i}.second", inner))
    for i in range(3):
        x = conv(weights, f"{name}.levels.{i}.conv", nearest(x))
        x = functional.layer_norm(x, x.shape[1:]).relu()
    return conv(weights, f"{name}.head", x)[:, 0]


@torch.no_grad()
def test_images_come_from_the_fused_content_of_what_is_kept_and_their_own_style():
    """Also the images of modalities that are not kept; a style has three numbers here."""
    network, keep = make(), torch.tensor([[True, False, False, True]])
    styles = []
    for style_encoder in network.branches.style_encoders:
        style_encoder.register_forward_hook(lambda module, args, output: styles.append(output))
    output, weights = network(image(), keep), network.state_dict()
    expected, deepest = written_out(weights, image(), [0, 3])
    torch.testing.assert_close(output["pred"], expected, rtol=1e-3, atol=1e-3)
    assert [tuple(style.shape) for style in styles] == [(1, 3)] * 4
    for m in range(4):
        restored = image_decoder(weights, f"branches.image_decoders.{m}", deepest, styles[m])
        torch.testing.assert_close(output["images"][:, m], restored, rtol=2e-3, atol=2e-3)


def test_gates_of_a_mixed_batch_take_the_weights_of_their_own_modalities():
    """Of two samples with other modalities in the same slots; the first has one map alone, of modality 2."""
    network = make().eval()
    mixed = image(batch=2)
    mixed[0, [0, 1, 3]] = torch.nan
    mixed[1, 0] = torch.nan
    with torch.no_grad():
        together = network(mixed)
        for sample, available in enumerate(([2], [1, 2, 3])):
            expected, _ = written_out(network.state_dict(), image(batch=2)[sample : sample + 1], available)
            torch.testing.assert_close(together[sample : sample + 1], expected, rtol=1e-3, atol=1e-3)


def widths_and_channels_below():
    return [(16, 1), (32, 16), (64, 32), (128, 64)]


def test_default_has_the_number_of_parameters_of_the_published_layers():
    """Within 0.1 % of the published code's, whose normalisations have weights and whose style encoders a bias."""
    encoder_, gates = 0, 0
    for width, below in widths_and_channels_below():
        encoder_ += 27 * below * width + width + 2 * (27 * width * width + width)
        gates += 27 * 4 * width * 4 + 4 + 8  # 3^3 convolution to four maps; scale and shift of their normalisation
        gates += 4 * width * width + width
    levels = [2 * (27 * 2 * c * c + c) + c * c + c for c in (64, 32, 16)]
    segmentation = 4 * encoder_ + gates + sum(levels) + 16 * 4 + 4
    style = 343 * 32 + 64 * (32 * 64 + 64 * 128 + 2 * 128 * 128) + 128 * 8 + 8
    image_decoder_ = (8 + 3 * 128) * 128 + 4 * 128 + 8 * (27 * 128 * 128 + 128)
    image_decoder_ += sum(125 * 2 * c * c + c for c in (64, 32, 16)) + 343 * 16 + 1
    with torch.device("meta"):
        network = RobustSeg()
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == segmentation + 4 * (style + image_decoder_) == 37_462_488
    published = 37_455_749  # with four classes
    assert abs(count - published) < 0.001 * published


def test_operations_are_those_of_the_published_layers_for_what_is_there():
    """355 GFLOP per million voxels with four modalities; an absent one saves its encoder and its part of the gates."""
    network, counted = RobustSeg().eval(), {}
    for present in (1, 2, 4):
        per_voxel = 16 * 4
        for level, (width, below) in enumerate(widths_and_channels_below()):
            here = 27 * (below * width + 2 * width * width) * present  # encoders
            here += 27 * width * present * present + present * width * width  # gates, fusion
            here += (2 * 27 * 2 * width * width + width * width) * (level < 3)  # decoder
            per_voxel += here / 8**level
        scan = torch.zeros(1, 4, 16, 16, 16)
        scan[:, present:] = torch.nan
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(scan)
        counted[present] = counter.get_total_flops() / 16**3
        assert counted[present] == 2 * per_voxel
    assert counted[4] == 355_000
