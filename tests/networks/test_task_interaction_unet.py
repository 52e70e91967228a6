"""Task interaction: the published wiring, sizes and rows of Table 2."""

import copy

import pytest
import torch
from small_task_interaction import NORMS, ROWS, contrasts, images, small_network, trained

from shared.errors import InputError
from shared.networks import (
    DualAttention,
    HierarchicalMultiScaleFusion,
    TaskInteractionModule,
    TaskInteractionUNet,
    UncertaintyProxyAttention,
)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("options", ROWS)
def test_training_returns_both_and_every_parameter_is_reached(options):
    """One without a gradient would stop DistributedDataParallel."""
    network = small_network(**options)
    output = network(images())
    assert {name: part.shape for name, part in output.items()} == {"pred": (2, 1, 64, 64), "class_logits": (2, 3)}
    (output["pred"].square().mean() + output["class_logits"].square().mean()).backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("options", ROWS)
def test_an_image_alone_and_among_eight_gives_the_same(options):
    network = trained(**options)
    batch = contrasts(8)
    with torch.no_grad():
        together = network(batch)
        alone = torch.cat([network(image[None]) for image in batch[:2]])
    torch.testing.assert_close(together[:2], alone, rtol=1e-5, atol=1e-5)
    assert (together[0] - together[1]).abs().amax(dim=(1, 2)).min() > 0.003  # each channel tells images apart


def test_evaluation_returns_the_mask_then_the_classes_constant_over_space():
    network = trained(num_classes=2)
    output = network(images(2, 64, 96))
    assert output.shape == (2, 3, 64, 96)
    for module in network.modules():
        module.training = module is network  # the same statistics, but the dictionary
    parts = network(images(2, 64, 96))
    torch.testing.assert_close(output[:, :1], parts["pred"])
    torch.testing.assert_close(output[:, 1:], parts["class_logits"].view(2, 2, 1, 1).expand(2, 2, 64, 96))


def test_every_part_reads_the_maps_that_the_specification_names():
    network, seen = trained(), {}

    def record(name):
        return lambda module, inputs, output: seen.__setitem__(name, (inputs, output))

    for name in ("adapters", "decoder", "class_features", "interactions_at"):
        for place, module in enumerate(getattr(network, name)):
            module.register_forward_hook(record((name, place)))
    for name in ("mask_head", "class_head"):
        getattr(network, name).register_forward_hook(record(name))
    network(images())
    maps = [seen["adapters", place][1] for place in range(5)]
    assert [each.shape[1:] for each in maps] == [(16, 32, 32), (24, 16, 16), (40, 8, 8), (112, 4, 4), (320, 2, 2)]
    vectors = []
    for level in range(4):
        below, skip = seen["decoder", level][0]
        torch.testing.assert_close(skip, maps[3 - level])  # s4, s3, s2, s1
        torch.testing.assert_close(below, seen["interactions_at", level - 1][1][0] if level else maps[4])
        source = maps[4 - level].mean(dim=(2, 3))  # the deepest, s4, s3, s2
        torch.testing.assert_close(seen["class_features", level][0][0], source)
        decoded, vector = seen["interactions_at", level][0]
        torch.testing.assert_close(decoded, seen["decoder", level][1])
        torch.testing.assert_close(vector, seen["class_features", level][1])
        vectors.append(seen["interactions_at", level][1][1])
    torch.testing.assert_close(seen["mask_head"][0][0], seen["interactions_at", 3][1][0])
    pooled = [each.mean(dim=(2, 3)) for each in maps[1:]]  # not s1
    torch.testing.assert_close(seen["class_head"][0][0], torch.cat([*pooled, *vectors], dim=1))


def test_rows_of_table_2_hold_what_they_name():
    kinds = (HierarchicalMultiScaleFusion, DualAttention, TaskInteractionModule, UncertaintyProxyAttention)
    expected = [[0, 0, 0, 0], [9, 5, 0, 0], [0, 0, 4, 0], [0, 0, 4, 4], [9, 5, 4, 4], [5, 5, 4, 4]]
    for options, counts in zip(ROWS, expected, strict=True):
        with torch.device("meta"):
            network = small_network(**options)
        assert [sum(isinstance(module, kind) for module in network.modules()) for kind in kinds] == counts


def test_size_is_the_published_one():
    """README of the authors' program: 25.2 million, 1.4 of them in adapters. 0.8 of an unused layer are left out."""
    with torch.device("meta"):
        network = TaskInteractionUNet()
    assert parameters(network) == 23_852_448
    assert parameters(network.adapters) == 1_486_452
    assert sum(parameters(level.weigh) for level in network.interactions_at) == 648  # 4 (2 x 32 + 32 + 32 x 2 + 2)


@pytest.mark.parametrize("size", [0, 7])
def test_encoders_at_every_multiple_of_32(size):
    """Its padding is made for one size; every even size is halved all the same."""
    with torch.device("meta"):
        network = small_network(encoder=f"efficientnet-b{size}").eval()
        for height, width in ((32, 160), (224, 96)):
            assert network(torch.rand(1, 3, height, width)).shape == (1, 4, height, width)


def test_batch_normalisations_move_by_a_tenth_and_the_attention_gates_too():
    """With EfficientNet's own 0.01 a short training ends with statistics of none of its weights."""
    norms = [module for module in small_network().modules() if isinstance(module, NORMS)]
    assert len(norms) > 60
    assert {norm.momentum for norm in norms} == {0.1}


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_traced_and_copied_networks_give_the_same():
    network = trained()
    traced = torch.jit.trace(network, images(), check_trace=False)
    image = images(3, 64, 96)
    torch.testing.assert_close(traced(image), network(image))
    torch.testing.assert_close(copy.deepcopy(network)(image), network(image))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 64, 100), r"H and W multiples of 32, got \(2, 3, 64, 100\); resize it \(--image_size\), or pad it"),
        ((2, 1, 64, 64), r"image: must be \(B, 3, H, W\)"),
        ((1, 3, 64, 64), "training needs batches of two images or more, got one; set --batch_size"),
    ],
)
def test_refuses_other_images(shape, message):
    with pytest.raises(InputError, match=message):
        small_network()(torch.rand(shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "efficientnet-b8"}, "encoder 'efficientnet-b8': no such one; choose one of efficientnet-b0, "),
        ({"decoder_channels": (8, 8, 8)}, r"decoder_channels must hold four widths of 2 or more, got \[8, 8, 8\]"),
    ],
)
def test_refuses_other_settings(options, message):
    with pytest.raises(InputError, match=message):
        small_network(**options)
