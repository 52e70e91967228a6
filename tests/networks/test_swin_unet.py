import pytest
import torch
from monai.networks.layers import DropPath
from torch.nn import functional

from shared.networks import SwinUNet
from shared.networks.patch_expanding import ChannelNorm, PatchExpanding

SMALL = {"embed_dim": 8, "num_heads": (1, 2, 2, 4), "window_size": 4}


def norm(values, layer):
    """Layer normalisation over the last axis."""
    mean, variance = values.mean(-1, keepdim=True), values.var(-1, keepdim=True, unbiased=False)
    return (values - mean) / (variance + 1e-5).sqrt() * layer.weight + layer.bias


def expanded(features, expand, scale):
    """Patch expanding written out: the linear layer's outputs, channels last, are the positions of a finer map."""
    convolution, _, layer = expand
    weight = convolution.weight.flatten(1).unflatten(0, (-1, scale, scale))  # (c, p1, p2, C)
    finer = torch.einsum("bchw,npqc->bhpwqn", features, weight)
    return norm(finer.flatten(1, 2).flatten(2, 3), layer).permute(0, 3, 1, 2)


def test_published_network_has_27_17_million_parameters():
    """Counted by hand, with nine classes: two blocks per stage, windows of 7 x 7."""

    def blocks(width, heads):
        attention = 3 * (width**2 + width) + width**2 + width + 13**2 * heads
        return 2 * (attention + 8 * width**2 + 5 * width + 2 * 2 * width)

    widths, heads = (96, 192, 384, 768), (3, 6, 12, 24)
    encoder = 48 * 96 + 96 + 2 * 96 + sum(map(blocks, widths, heads)) + 2 * 768
    encoder += sum(4 * width * 2 * width + 2 * 4 * width for width in widths[:3])
    decoder = sum(map(blocks, widths[:3], heads[:3]))
    decoder += sum(width * 2 * width + 2 * width // 2 for width in widths[1:])  # expanding
    decoder += sum(2 * width * width + width for width in widths[:3])  # joining with the skip connection
    mask_head = 2 * 96 + 96 * 16 * 96 + 2 * 96 + 96 * 9

    with torch.device("meta"):
        number = sum(parameter.numel() for parameter in SwinUNet(out_channels=9).parameters())
    assert number == encoder + decoder + mask_head
    assert round(number / 1e6, 2) == 27.17


@pytest.mark.parametrize("scale", [2, 4])
def test_patch_expanding_is_a_linear_layer_whose_outputs_are_positions(scale):
    torch.manual_seed(0)
    expand = PatchExpanding(6, 3, scale)
    torch.nn.init.normal_(expand[2].weight)
    features = torch.randn(2, 6, 3, 5)
    assert expand(features).shape == (2, 3, 3 * scale, 5 * scale)
    torch.testing.assert_close(expand(features), expanded(features, expand, scale))


def test_decoder_joins_the_inputs_of_the_encoders_stages():
    """The forward pass written out around MONAI's stages."""
    torch.manual_seed(0)
    network = SwinUNet(**SMALL).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        patches = functional.conv2d(image, network.encoder.embed.proj.weight, network.encoder.embed.proj.bias, stride=4)
        first = norm(patches.permute(0, 2, 3, 1), network.encoder.embed.norm).permute(0, 3, 1, 2)
        second = network.encoder.stages[0](first)
        third = network.encoder.stages[1](second)
        features = network.encoder.stages[3](network.encoder.stages[2](third))
        features = norm(features.permute(0, 2, 3, 1), network.encoder.norm).permute(0, 3, 1, 2)
        for level, skip in enumerate((third, second, first)):
            joined = torch.cat([expanded(features, network.expand[level], 2), skip], dim=1)
            weight, bias = network.join[level].weight.flatten(1), network.join[level].bias
            linear = functional.linear(joined.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)
            features = network.decoder[level](linear)
        features = norm(features.permute(0, 2, 3, 1), network.mask_head[0]).permute(0, 3, 1, 2)
        features = expanded(features, network.mask_head[1], 4)
        expected = torch.einsum("bchw,oc->bohw", features, network.mask_head[2].weight.flatten(1))
        torch.testing.assert_close(network(image), expected, rtol=1e-4, atol=1e-5)


def test_branches_are_dropped_more_often_with_depth():
    network = SwinUNet(**SMALL, drop_path_rate=0.7)
    rates = [module.drop_prob for module in network.encoder.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])  # none in the first block
    finest = [module.drop_prob for module in network.decoder[2].modules() if isinstance(module, DropPath)]
    assert finest == pytest.approx([0.1])


def test_channel_norm_is_over_channels():
    features = torch.tensor([[1.0, 3.0], [5.0, 11.0]]).view(1, 2, 1, 2)  # channels 1 and 5, 3 and 11
    expected = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).view(1, 2, 1, 2)
    torch.testing.assert_close(ChannelNorm(2)(features), expected, rtol=1e-5, atol=1e-5)


def test_refuses_other_numbers_of_levels():
    with pytest.raises(ValueError, match=r"depths and num_heads must hold four numbers, got \[2, 2\] and \[3, 6, 12"):
        SwinUNet(depths=(2, 2))
