import pytest
import torch
from torch import nn

from shared.networks import TransUNet
from shared.networks.transunet import _Layer, _MapTransformer


def test_published_network_has_105_28_million_parameters():
    """Counted by hand from the sizes of R50 + ViT-B/16, 224 x 224 pixels, nine classes."""

    def bottleneck(source, planes, shortcut):
        branch = source * planes + 9 * planes**2 + 4 * planes**2 + 2 * (planes + planes + 4 * planes)
        return branch + shortcut * (source * 4 * planes + 2 * 4 * planes)

    resnet = 3 * 49 * 64 + 2 * 64
    for source, planes, number in ((64, 64, 3), (256, 128, 4), (512, 256, 9)):
        resnet += bottleneck(source, planes, True) + (number - 1) * bottleneck(4 * planes, planes, False)
    layer = 4 * (768**2 + 768) + (768 * 3072 + 3072) + (3072 * 768 + 768) + 2 * 2 * 768
    transformer = (1024 * 768 + 768) + 14 * 14 * 768 + 12 * layer + 2 * 768
    decoder = 9 * 768 * 512 + 2 * 512
    for source, skip, width in ((512, 512, 256), (256, 256, 128), (128, 64, 64), (64, 0, 16)):
        decoder += 9 * (source + skip) * width + 9 * width**2 + 2 * 2 * width
    mask_head = 9 * 16 * 9 + 9

    with torch.device("meta"):
        number = sum(parameter.numel() for parameter in TransUNet(out_channels=9).parameters())
    assert number == resnet + transformer + decoder + mask_head
    assert round(number / 1e6, 2) == 105.28


def test_a_layer_is_pytorchs():
    torch.manual_seed(0)
    layer = _Layer(hidden_size=12, mlp_dim=20, num_heads=3, dropout=0.0)
    expected = nn.TransformerEncoderLayer(12, 3, 20, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True)
    for norm in (layer.attention_norm, layer.feed_forward_norm):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    names = {
        "self_attn.in_proj_weight": layer.attention.qkv.weight,
        "self_attn.in_proj_bias": layer.attention.qkv.bias,
        "self_attn.out_proj.weight": layer.attention.out_proj.weight,
        "self_attn.out_proj.bias": layer.attention.out_proj.bias,
        "linear1.weight": layer.feed_forward.linear1.weight,
        "linear1.bias": layer.feed_forward.linear1.bias,
        "linear2.weight": layer.feed_forward.linear2.weight,
        "linear2.bias": layer.feed_forward.linear2.bias,
        "norm1.weight": layer.attention_norm.weight,
        "norm1.bias": layer.attention_norm.bias,
        "norm2.weight": layer.feed_forward_norm.weight,
        "norm2.bias": layer.feed_forward_norm.bias,
    }
    expected.load_state_dict(names)
    tokens = torch.randn(2, 7, 12)
    torch.testing.assert_close(layer(tokens), expected(tokens))


def test_positions_are_added_as_learned_and_interpolated_to_other_grids():
    """From 4 x 4 to 2 x 2 the interpolation takes the mean of four neighbours."""
    torch.manual_seed(0)
    transformer = _MapTransformer(3, (4, 4), hidden_size=6, mlp_dim=8, num_heads=2, num_layers=0, dropout=0.0)
    nn.init.normal_(transformer.positions)
    for side, positions in ((4, transformer.positions), (2, nn.functional.avg_pool2d(transformer.positions, 2))):
        features = torch.randn(2, 3, side, side)
        embedded = transformer.embed(features) + positions
        mean, variance = embedded.mean(1, keepdim=True), embedded.var(1, keepdim=True, unbiased=False)
        torch.testing.assert_close(transformer(features), (embedded - mean) / (variance + 1e-6).sqrt())


def test_refuses_other_numbers_of_levels_and_sizes():
    with pytest.raises(ValueError, match=r"layers must hold three numbers and decoder_channels four, got \[1, 1\]"):
        TransUNet(layers=(1, 1))
    with pytest.raises(ValueError, match=r"image_size must be two multiples of 16, got \[64, 40\]"):
        TransUNet(image_size=(64, 40))
