import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from shared.errors import InputError
from shared.networks import MTANet, PartialDecoder, PyramidVisionTransformer, ReverseAdditionAttention

SMALL = {"encoder": "pvt-v2-b0", "decoder_channels": 8}


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("size", "millions", "gflop"), [("pvt-v2-b0", 3.7, 0.6), ("pvt-v2-b1", 14.0, 2.1), ("pvt-v2-b2", 25.4, 4.0)]
)
def test_encoder_has_the_published_size_and_cost(size, millions, gflop):
    """Table 1 of PVT v2 counts a classifier of 1000 classes as well, and a multiplication with its addition once."""
    with torch.device("meta"):
        encoder, image = PyramidVisionTransformer(size).eval(), torch.zeros(1, 3, 224, 224)
    found = (parameters(encoder) + 1000 * (encoder.widths[-1] + 1)) / 1e6
    assert round(found, 1) == millions
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        maps = encoder(image)
    assert round(counter.get_total_flops() / 2e9, 1) == gflop
    assert [tuple(part.shape) for part in maps] == [
        (1, width, side, side) for width, side in zip(encoder.widths, (56, 28, 14, 7))
    ]


@pytest.mark.parametrize(("stage", "heads"), [(1, 2), (3, 8)])
def test_attention_is_that_of_pytorch_to_the_reduced_map(stage, heads):
    torch.manual_seed(0)
    ours = PyramidVisionTransformer("pvt-v2-b0").eval().stages[stage].blocks[0].attention
    block = ours.attention
    width = block.to_q.in_features
    theirs = nn.MultiheadAttention(width, heads, batch_first=True)
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.1)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([block.to_q.weight, block.to_k.weight, block.to_v.weight]))
        theirs.in_proj_bias.copy_(torch.cat([block.to_q.bias, block.to_k.bias, block.to_v.bias]))
        theirs.out_proj.load_state_dict(block.out_proj.state_dict())
        features = torch.randn(2, 8, 4, width)
        reduced = features.permute(0, 3, 1, 2)
        if stage == 1:
            convolution, norm = ours.reduce
            reduced = nn.functional.conv2d(reduced, convolution.weight, convolution.bias, stride=4)
            reduced = nn.functional.layer_norm(reduced.movedim(1, -1), [width], norm.weight, norm.bias).movedim(-1, 1)
        memory = reduced.flatten(2).transpose(1, 2)
        assert memory.shape[1] == (2 if stage == 1 else 32)
        expected = theirs(features.flatten(1, 2), memory, memory, need_weights=False)[0]
        torch.testing.assert_close(ours(features).flatten(1, 2), expected)


def test_decoder_has_the_parameters_of_the_published_program():
    def convolution(inputs, outputs, taps=9):
        return inputs * outputs * taps + 2 * outputs  # no bias; a batch normalisation

    def block(inputs, width=32):
        branches = [convolution(inputs, width, 1) for _ in range(4)]
        long = [2 * convolution(width, width, taps) + convolution(width, width) for taps in (3, 5, 7)]
        return sum(branches) + sum(long) + convolution(4 * width, width) + convolution(inputs, width, 1)

    joins = 4 * convolution(32, 32) + 2 * convolution(64, 64) + 2 * convolution(96, 96) + 96 + 1
    levels = sum(
        convolution(below, width) + 2 * convolution(width, width) + convolution(width, 1)
        for below, width in ((512, 320), (320, 128), (128, 64))
    )
    with torch.device("meta"):
        network = MTANet()
    assert parameters(network.coarse_mask) == block(128) + block(320) + block(512) + joins
    assert parameters(network.corrections) == levels
    published_head = 513 * 40 + 9 * 20 + 21 * 20 + 11 * 20 + 16 * 3  # with eight clinical features
    published = parameters(network) - parameters(network.class_head) + published_head
    assert parameters(network) == pytest.approx(published, rel=0.02)


def test_correction_by_hand():
    """Convolutions that copy, normalisations that do nothing: m + (1 - sigmoid(m)) (below + skip)."""
    attention = ReverseAdditionAttention(1, 1).eval()
    for convolution in (module for module in attention.modules() if isinstance(module, nn.Conv2d)):
        nn.init.dirac_(convolution.weight)
    for norm in (module for module in attention.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.eps = 0
    mask = torch.tensor([0.0, 100.0]).view(1, 1, 1, 2).expand(1, 1, 2, 2)
    below, skip = torch.tensor([[[[2.0]]]]), torch.tensor([[[[1.0, 1.0], [3.0, 3.0]]]])
    with torch.no_grad():
        corrected, features = attention(mask, below, skip)
    assert features.tolist() == [[[[3, 3], [5, 5]]]]
    torch.testing.assert_close(corrected, torch.tensor([[[[1.5, 100], [2.5, 100]]]]))


def test_maps_that_the_deepest_does_not_see_are_left_out_of_the_products():
    torch.manual_seed(0)
    decoder, seen = PartialDecoder([4, 4, 4], 8).eval(), []
    decoder.join_middle.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    decoder.join_fine.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    nn.init.constant_(decoder.blocks[2].skip.adn.N.bias, -1e6)  # the block ends in a ReLU
    with torch.no_grad():
        logits = decoder([torch.randn(1, 4, side, side) for side in (8, 4, 2)])
    assert logits.shape == (1, 1, 8, 8)
    assert not seen[0][:, :8].any()
    assert not seen[1][:, :8].any()


def test_masks_and_class_train_all_parameters_without_side_outputs():
    torch.manual_seed(0)
    network = MTANet(**SMALL)
    output = network(torch.randn(2, 3, 32, 64))
    assert [part.shape for part in output["side_outputs"]] == 3 * [(2, 1, 32, 64)]
    (output["pred"].square().mean() + output["class_logits"].square().mean()).backward()
    assert all(parameter.grad.any() for parameter in network.parameters())


def test_evaluation_is_one_tensor_with_the_class_of_the_deepest_map():
    torch.manual_seed(0)
    network = MTANet(**SMALL, num_classes=2).eval()
    image = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        expected = network.class_head(network.encoder(image)[-1].mean((2, 3)))
        output = network(image)
    assert output.shape == (2, 3, 64, 32)
    torch.testing.assert_close(output[:, 1:, 5, 7], expected)


def test_sizes_that_the_encoder_does_not_divide_are_refused():
    with torch.device("meta"):
        network = MTANet(**SMALL)
    with pytest.raises(
        InputError, match=r"image: must be \(B, 3, H, W\) with H and W multiples of 32, got \(1, 3, 32,"
    ):
        network(torch.zeros(1, 3, 32, 48))


def test_unknown_encoder_is_named():
    with pytest.raises(InputError, match=r"encoder: expected one of pvt-v2-b0, .*, got 'efficientnet-b4'"):
        MTANet(encoder="efficientnet-b4")
