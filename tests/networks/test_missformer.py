import pytest
import torch
from torch.nn import functional

from shared.networks import MISSFormer
from shared.networks.context_bridge import ContextBridge
from shared.networks.remix_transformer import RemixFeedForward, RemixTransformerBlock

SMALL = {"channels": (4, 8, 12, 16), "num_heads": (1, 2, 3, 4), "depths": (1, 1, 1, 1), "bridge_layers": 1}


def norm(values, layer):
    """Layer normalisation over the last axis."""
    mean, variance = values.mean(-1, keepdim=True), values.var(-1, keepdim=True, unbiased=False)
    return (values - mean) / (variance + 1e-5).sqrt() * layer.weight + layer.bias


def linear(values, layer):
    return values @ layer.weight.T + layer.bias


def feed_forward(features, block):
    """ReMix-FFN on (B, H, W, C), its depthwise convolution as a sum of nine shifted maps."""
    hidden = linear(features, block.expand)
    _, height, width, _ = hidden.shape
    padded = functional.pad(hidden, (0, 0, 1, 1, 1, 1))
    local = block.depthwise.bias + sum(
        padded[:, row : row + height, column : column + width] * block.depthwise.weight[:, 0, row, column]
        for row in range(3)
        for column in range(3)
    )
    return linear(functional.gelu(norm(local + hidden, block.norm)), block.project)


def attention(queries, keys, block, heads):
    """Of tokens (B, N, C) to tokens (B, M, C), head by head."""
    query, key, value = linear(queries, block.to_q), linear(keys, block.to_k), linear(keys, block.to_v)
    parts = []
    for q, k, v in zip(query.chunk(heads, -1), key.chunk(heads, -1), value.chunk(heads, -1), strict=True):
        parts.append((q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ v)
    return linear(torch.cat(parts, -1), block.out_proj)


def coarser(features, convolution):
    """Convolution without overlap of (B, H, W, C): one linear layer on every patch."""
    side = convolution.stride[0]
    batch, height, width, channels = features.shape
    patches = features.reshape(batch, height // side, side, width // side, side, channels)
    return torch.einsum("bhpwqc,ocpq->bhwo", patches, convolution.weight) + convolution.bias


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def randomise_norms(module):
    for part in module.modules():
        if isinstance(part, torch.nn.LayerNorm):
            torch.nn.init.normal_(part.weight)
            torch.nn.init.normal_(part.bias)
    return module


def test_published_network_has_42_46_million_parameters_of_which_7_0_are_dead():
    """Counted by hand from the public code with nine classes: what its output does not depend on is left out here."""

    def feed_forward_of(width, norms):
        hidden = 4 * width
        return width * hidden + hidden + 10 * hidden + norms * 2 * hidden + hidden * width + width

    def block(width, reduction, norms):
        attention = 4 * (width**2 + width)
        if reduction > 1:
            attention += width**2 * reduction**2 + width + 2 * width
        return attention + 2 * 2 * width + feed_forward_of(width, norms)

    widths, reductions = (64, 128, 320, 512), (8, 4, 2, 1)

    def whole(norms):
        patches = sum(k**2 * i * o + o + 2 * o for k, i, o in zip((7, 3, 3, 3), (3, 64, 128, 320), widths, strict=True))
        encoder = patches + sum(2 * block(w, r, norms) + 2 * w for w, r in zip(widths, reductions, strict=True))
        layer = 4 * (64**2 + 64) + 3 * 2 * 64 + sum(feed_forward_of(width, norms) for width in widths)
        layer += sum(w**2 * r**2 + w for w, r in zip(widths[:3], reductions[:3], strict=True))
        decoder = sum(2 * block(w, r, norms) for w, r in zip(widths[:3], reductions[:3], strict=True))
        decoder += sum(i * o + o for i, o in ((256 + 320, 320), (160 + 128, 128), (64 + 64, 64)))
        decoder += sum(2 * width**2 + 2 * width // 2 for width in widths[1:])  # expanding
        return encoder + 4 * layer + decoder + 64 * 16 * 64 + 2 * 64 + 64 * 9 + 9

    with torch.device("meta"):
        number = sum(parameter.numel() for parameter in MISSFormer(out_channels=9).parameters())
    assert number == whole(norms=1)
    deepest_of_the_decoder = 1024 * 512 + 512 + 2 * block(512, 1, norms=3)
    published = whole(norms=3) + deepest_of_the_decoder
    assert round(published / 1e6, 2) == 42.46
    assert round((published - number) / 1e6, 1) == 7.0


def test_feed_forward_network_adds_the_neighbours_and_normalises():
    block = randomise_norms(RemixFeedForward(3, 5))
    features = torch.randn(2, 4, 6, 3)
    torch.testing.assert_close(block(features), feed_forward(features, block))


@pytest.mark.parametrize("reduction", [1, 2])
def test_block_attends_to_the_coarser_map(reduction):
    block = randomise_norms(RemixTransformerBlock(6, 3, reduction))
    image = torch.randn(2, 6, 4, 8)
    features = image.permute(0, 2, 3, 1)
    normal = norm(features, block.attention_norm)
    keys = normal if reduction == 1 else norm(coarser(normal, block.attention.reduce[0]), block.attention.reduce[1])
    attended = attention(normal.flatten(1, 2), keys.flatten(1, 2), block.attention.attention, heads=3)
    features = features + attended.view_as(features)
    expected = features + feed_forward(norm(features, block.feed_forward_norm), block.feed_forward)
    torch.testing.assert_close(block(image), expected.permute(0, 3, 1, 2), rtol=1e-4, atol=1e-5)


def test_bridge_attends_across_levels():
    """Two levels written out; a position of the second, with twice the channels, is two tokens."""
    bridge = randomise_norms(ContextBridge([4, 8], [2, 1], num_layers=1))
    (layer,) = bridge.layers
    fine, deep = torch.randn(2, 4, 4, 6), torch.randn(2, 8, 2, 3)
    tokens = [features.permute(0, 2, 3, 1).reshape(2, -1, 4) for features in (fine, deep)]
    normal = [norm(part, layer.attention_norm) for part in tokens]
    keys = [coarser(normal[0].view(2, 4, 6, 4), layer.reduce[0]).reshape(2, -1, 4), normal[1]]
    keys = norm(torch.cat(keys, 1), layer.reduced_norm)
    attended = torch.cat(tokens, 1) + attention(torch.cat(normal, 1), keys, layer.attention, heads=1)
    expected = []
    for part, shape, block in zip(
        (attended[:, :24], attended[:, 24:]), ((2, 4, 6, 4), (2, 2, 3, 8)), layer.feed_forward, strict=True
    ):
        features = part.reshape(shape) + feed_forward(norm(part, layer.feed_forward_norm).reshape(shape), block)
        expected.append(features.permute(0, 3, 1, 2))
    for bridged, features in zip(bridge([fine, deep]), expected, strict=True):
        torch.testing.assert_close(bridged, features, rtol=1e-4, atol=1e-5)


def test_decoder_joins_what_the_bridge_returns_for_each_level():
    network = MISSFormer(**SMALL).eval()
    image = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        maps = [network.encoder[0](image)]
        for stage in network.encoder[1:]:
            maps.append(stage(maps[-1]))
        first, second, third, features = network.bridge(maps)
        features = network.decoder[0](torch.cat([network.expand[0](features), third], 1))
        features = network.decoder[1](torch.cat([network.expand[1](features), second], 1))
        features = network.decoder[2](torch.cat([network.expand[2](features), first], 1))
        torch.testing.assert_close(network(image), network.mask_head(features))


def test_refuses_levels_that_do_not_fit():
    with pytest.raises(ValueError, match=r"channels, num_heads and depths must hold four numbers each, got \[8, 16\]"):
        MISSFormer(channels=(8, 16))
    with pytest.raises(ValueError, match=r"channels must be multiples of the first, .* got \[8, 12\] and \[2, 1\]"):
        ContextBridge([8, 12], [2, 1])
