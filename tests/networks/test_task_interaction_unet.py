import copy
from urllib.error import URLError

import pytest
import torch
from monai.networks.nets import efficientnet
from torch import nn

from shared.errors import InputError
from shared.networks import (
    DualAttention,
    HierarchicalMultiScaleFusion,
    TaskInteractionModule,
    TaskInteractionUNet,
    UncertaintyProxyAttention,
)

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
SMALL = {"encoder": "efficientnet-b0", "decoder_channels": (12, 8, 6, 4)}
ROWS = [  # of Table 2: HMSF, TIM, UPA
    {"fusion": False, "interaction": False, "proxy_attention": False},
    {"interaction": False, "proxy_attention": False},
    {"fusion": False, "proxy_attention": False},
    {"fusion": False},
    {},
    {"decoder_fusion": False},
]


def make(**options):
    torch.manual_seed(0)
    return TaskInteractionUNet(**SMALL | options)


def trained(**options):
    """With the statistics of eight images, in evaluation mode; without them, outputs hardly depend on the image."""
    network = make(**options)
    for module in network.modules():
        if isinstance(module, NORMS):
            module.momentum = 1.0
    with torch.no_grad():
        network(contrasts(8))
    return network.eval()


def contrasts(number):
    return images(number) * torch.linspace(0.2, 1.5, number).view(number, 1, 1, 1)


def images(number=2, height=64, width=64):
    return torch.rand(number, 3, height, width, generator=torch.Generator().manual_seed(1))


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("options", ROWS)
def test_training_returns_both_and_every_parameter_is_reached(options):
    """One without a gradient would stop DistributedDataParallel."""
    network = make(**options)
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


def test_wiring():
    """Skips, class features and class head read the maps that the specification names."""
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
            network = make(**options)
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
        network = make(encoder=f"efficientnet-b{size}").eval()
        for height, width in ((32, 160), (224, 96)):
            assert network(torch.rand(1, 3, height, width)).shape == (1, 4, height, width)


def test_interactions_are_the_networks_own():
    network = trained()
    seen = []
    for level in network.interactions_at:
        level.enhance.register_forward_hook(lambda module, inputs, output: seen.append((inputs, output)))
        level.weigh.register_forward_hook(lambda module, inputs, output: seen.append(output))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    levels = network.interactions(images())
    assert len(levels) == 4
    for level, ((decoded, vector), (enhanced, enhanced_vector)), weights in zip(
        levels, seen[::2], seen[1::2], strict=True
    ):
        torch.testing.assert_close(torch.stack([level["omega_seg"], level["omega_clf"]], dim=1), weights)
        for image in range(2):
            moved = (enhanced[image] - decoded[image]).square().sum().sqrt() / decoded[image].square().sum().sqrt()
            torch.testing.assert_close(level["displacement_seg"][image], moved)
            moved = (enhanced_vector - vector)[image].norm() / vector[image].norm()
            torch.testing.assert_close(level["displacement_clf"][image], moved)
        assert 0 < level["displacement_seg"].min() <= level["displacement_seg"].max() <= 0.7  # mu - 1
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(value.requires_grad for level in levels for value in level.values())


def test_interactions_without_upa_and_without_tim():
    for level in make(proxy_attention=False).eval().interactions(images()):
        assert level["omega_seg"].tolist() == level["omega_clf"].tolist() == [1, 1]
    assert make(interaction=False).eval().interactions(images()) == []


def pretrained(monkeypatch, **options):
    """With a download of only the first layer's weights, all of them 0.5."""
    seen = []

    def download(url, **_):
        seen.append(url)
        return {"_conv_stem.weight": torch.full((32, 3, 3, 3), 0.5)}

    monkeypatch.setattr(efficientnet.model_zoo, "load_url", download)
    network = make(encoder_weights="imagenet-frozen-start", **options)
    assert "efficientnet-b0" in seen[0]
    return network


def test_pretrained_weights_freeze_the_start_of_the_encoder(monkeypatch):
    network = pretrained(monkeypatch)
    features = network.encoder.features
    assert (features._conv_stem.weight == 0.5).all()
    start = [features._conv_stem, features._bn0, features._blocks[0], *features._blocks[1][:2]]
    rest = [features._blocks[2], network.adapters]
    assert not any(parameter.requires_grad for module in start for parameter in module.parameters())
    assert all(parameter.requires_grad for module in rest for parameter in module.parameters())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for _ in range(2):  # training, evaluation, and training again
        network.eval().train()
        assert not any(module.training for block in start for module in block.modules())
        assert all(module.training for block in rest for module in block.modules())
    network(images())
    for name, value in network.state_dict().items():
        if name.startswith(("encoder.features._bn0", "encoder.features._blocks.0", "encoder.features._blocks.1")):
            assert torch.equal(value, before[name])
        elif name.endswith("running_mean") and "_blocks.2" in name:
            assert not torch.equal(value, before[name])


def test_nothing_is_frozen_without_pretrained_weights():
    network = make()
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(module.training for module in network.modules())


def test_pretrained_weights_load_into_a_network_without(monkeypatch):
    network, other = pretrained(monkeypatch).eval(), make().eval()
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(other(images()), network(images()))


def test_failed_download_is_one_line(monkeypatch):
    def download(url, **_):
        raise URLError("no route to host")

    monkeypatch.setattr(efficientnet.model_zoo, "load_url", download)
    with pytest.raises(InputError, match="encoder_weights: the ImageNet weights of efficientnet-b0 could not be"):
        make(encoder_weights="imagenet")


def test_batch_normalisations_move_by_a_tenth_and_the_attention_gates_too():
    """With EfficientNet's own 0.01 a short training ends with statistics of none of its weights."""
    norms = [module for module in make().modules() if isinstance(module, NORMS)]
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
        make()(torch.rand(shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "efficientnet-b8"}, "encoder 'efficientnet-b8': no such one; choose one of efficientnet-b0, "),
        ({"decoder_channels": (8, 8, 8)}, r"decoder_channels must hold four widths of 2 or more, got \[8, 8, 8\]"),
    ],
)
def test_refuses_other_settings(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)
