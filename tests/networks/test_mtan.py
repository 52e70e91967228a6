import pytest
import torch
from torch.nn import functional

from shared.errors import InputError
from shared.networks import MTAN, SegNet, TaskAttention
from shared.networks.segnet import unpool

CHANNELS = (4, 6, 8)


def parameters(*modules):
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def randomised(network):
    """The network with statistics of its normalisations as after some training."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    return network.eval()


def restated_attention(attention, first, last, before=None):
    """Eqs. 1 and 2 of the paper, pixel by pixel as matrix products."""

    def layer(number, columns):
        convolution, norm = attention.mask[number], attention.mask[number + 1]
        columns = convolution.weight[:, :, 0, 0] @ columns + convolution.bias[:, None]
        columns = (columns - norm.running_mean[:, None]) / (norm.running_var[:, None] + norm.eps) ** 0.5
        return columns * norm.weight[:, None] + norm.bias[:, None]

    chosen = torch.empty_like(last)
    for sample in range(len(first)):
        seen = first[sample] if before is None else torch.cat([first[sample], before[sample]])
        mask = 1 / (1 + torch.exp(-layer(3, layer(0, seen.flatten(1)).clamp(min=0))))
        chosen[sample] = mask.view(last.shape[1:]) * last[sample]
    return chosen


def restated(network, image):
    """The whole network, level by level, with PyTorch's own unpooling."""
    shared, levels = network.shared, range(len(CHANNELS))
    first, last, positions, features = [], [], [], image
    for i in levels:
        first.append(shared.encoder_first[i](features))
        last.append(shared.encoder_rest[i](first[i]))
        features, indices = functional.max_pool2d(last[i], 2, 2, return_indices=True)
        positions.append(indices)
    chosen = {}
    for task, attention in (("mask", network.mask_encoder), ("class", network.class_encoder)):
        before = None
        for i in levels:
            before = network.encoder_features[i](restated_attention(attention[i], first[i], last[i], before))
            before = functional.max_pool2d(before, 2, 2)
        chosen[task] = before
    before = chosen["mask"]
    for i in reversed(levels):
        unpooled = functional.max_unpool2d(features, positions[i], 2, 2)
        features = shared.decoder_rest[i](shared.decoder_first[i](unpooled))
        before = functional.interpolate(before, scale_factor=2, mode="bilinear", align_corners=True)
        before = restated_attention(network.mask_decoder[i], unpooled, features, network.decoder_features[i](before))
    return network.mask_head(before), network.class_head(chosen["class"].mean((2, 3)))


def test_attention_is_eqs_1_and_2():
    torch.manual_seed(0)
    attention = randomised(TaskAttention(5, 2))
    first, last, before = torch.randn(2, 3, 4, 5), torch.randn(2, 2, 4, 5), torch.randn(2, 2, 4, 5)
    with torch.no_grad():
        torch.testing.assert_close(attention(first, last, before), restated_attention(attention, first, last, before))


def test_network_is_that_of_the_paper_level_by_level():
    torch.manual_seed(0)
    network = randomised(MTAN(channels=CHANNELS))
    image = torch.randn(2, 3, 16, 24)
    with torch.no_grad():
        logits, class_logits = restated(network, image)
        output = network(image)
    torch.testing.assert_close(output[:, :1], logits)
    torch.testing.assert_close(output[:, 1:], class_logits[:, :, None, None].expand(-1, -1, 16, 24))


def test_sizes_are_those_that_the_paper_and_its_program_state():
    """One task with 13 labels: 24 981 069 in the program; 2 and 3 tasks: 1.65 and 1.77 times as many in the paper."""
    with torch.device("meta"):
        network = MTAN(out_channels=13)
    shared = parameters(network.shared)
    assert shared + parameters(network.mask_head) == 24_981_069
    between = parameters(network.encoder_features, network.decoder_features)
    per_task = parameters(network.mask_encoder, network.mask_decoder)
    heads = {outputs: (64 * 9 + 1) * 64 + (64 + 1) * outputs for outputs in (1, 3, 7)}
    two = shared + between + 2 * per_task + heads[7] + heads[1]
    three = shared + between + 3 * per_task + parameters(network.mask_head) + heads[1] + heads[3]
    assert (round(two / 24_981_069, 2), round(three / 24_981_069, 2)) == (1.65, 1.77)


def test_each_task_trains_its_own_attention_and_the_shared_network():
    torch.manual_seed(0)
    network = MTAN(channels=CHANNELS)
    output = network(torch.randn(2, 3, 16, 16))
    assert {key: tuple(part.shape) for key, part in output.items()} == {"pred": (2, 1, 16, 16), "class_logits": (2, 3)}
    output["class_logits"].square().sum().backward(retain_graph=True)
    reached = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert reached == {"shared", "encoder_features", "class_encoder", "class_head"}
    assert network.shared.decoder_first[0].conv.weight.grad is None
    output["pred"].square().sum().backward()
    assert all(parameter.grad.any() for parameter in network.parameters())


def test_odd_sizes_keep_their_size():
    network = MTAN(channels=CHANNELS).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 13, 21)).shape == (1, 4, 13, 21)


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_unpooling_is_that_of_pytorch(size):
    features = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    pooled, positions = functional.max_pool2d(features, 2, return_indices=True)
    expected = functional.max_unpool2d(pooled, positions, 2, output_size=size)
    assert torch.equal(unpool(pooled, positions, features), expected)


def test_one_level_is_refused():
    with pytest.raises(InputError, match=r"channels: give the widths of two or more levels, got \[8\]"):
        SegNet(channels=[8])
