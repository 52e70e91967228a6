from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from monai.networks.nets import AttentionUnet, BasicUNetPlusPlus, FlexibleUNet, SwinUNETR, UNet
from torch import nn

from shared.networks import WithClassHead

PLANE = {"spatial_dims": 2, "in_channels": 3, "out_channels": 1}
NETWORKS = {
    "UNet": (
        lambda: UNet(**PLANE, channels=(4, 8, 8, 8, 12), strides=(2, 2, 2, 2), num_res_units=2),
        "model.1.submodule.1.submodule.1.submodule.1.submodule",
        12,
    ),
    "AttentionUnet": (
        lambda: AttentionUnet(**PLANE, channels=(4, 8, 8, 8, 12), strides=(2, 2, 2, 2)),
        "model.1.submodule.1.submodule.1.submodule.1.submodule",
        12,
    ),
    "BasicUNetPlusPlus": (lambda: BasicUNetPlusPlus(**PLANE, features=(4, 4, 8, 8, 12, 4)), "conv_4_0", 12),
    "SwinUNETR": (lambda: SwinUNETR(**PLANE, feature_size=12, depths=(1, 1, 1, 1)), "encoder10", 192),
    "FlexibleUNet": (lambda: FlexibleUNet(3, 1, "efficientnet-b0"), "encoder", 320),
}


def make(name, **options):
    if name == "SwinUNETR":
        pytest.importorskip("einops", reason="MONAI's SwinUNETR needs einops, which is not installed")
    torch.manual_seed(0)
    network, deepest, features = NETWORKS[name]
    return WithClassHead(network(), deepest, features, **options)


def image(number=2):
    return torch.rand(number, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NETWORKS)
def test_deepest_map_is_classified_and_the_mask_stays(name):
    wrapped = make(name).eval()
    deepest = []
    hook = wrapped.network.get_submodule(wrapped.deepest).register_forward_hook(lambda *call: deepest.append(call[2]))
    with torch.no_grad():
        plain = wrapped.network(image())
        hook.remove()
        output = wrapped(image())
    plain, features = (part[-1] if isinstance(part, (list, tuple)) else part for part in (plain, deepest[0]))
    assert features.shape[2] <= 4  # 64 pixels, halved four or five times
    torch.testing.assert_close(output[:, :1], plain)
    linear = wrapped.class_head[1]
    logits = features.mean(dim=(2, 3)) @ linear.weight.T + linear.bias
    torch.testing.assert_close(output[:, 1:], logits.view(2, 3, 1, 1).expand(2, 3, 64, 64))


@pytest.mark.parametrize("name", NETWORKS)
def test_training_returns_both_and_the_class_teaches_the_encoder(name):
    wrapped = make(name, num_classes=2)
    output = wrapped(image())
    assert {key: part.shape for key, part in output.items()} == {"pred": (2, 1, 64, 64), "class_logits": (2, 2)}
    output["class_logits"].square().sum().backward()
    first = next(wrapped.network.parameters())
    assert first.grad.abs().max() > 0
    assert not any(module._forward_hooks for module in wrapped.modules())


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", ["UNet", "BasicUNetPlusPlus"])
def test_traced_network_gives_the_same(name):
    wrapped = make(name).eval()
    with torch.no_grad():
        traced = torch.jit.trace(wrapped, image(), check_trace=False)
        torch.testing.assert_close(traced(image() / 2), wrapped(image() / 2))


def test_threads_do_not_read_each_others_features():
    wrapped = make("UNet").eval()
    batches = [image() * scale for scale in torch.linspace(0, 4, 16)]
    with torch.no_grad():
        alone = [wrapped(batch) for batch in batches]

    def run(batch):
        with torch.no_grad():
            return wrapped(batch)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, batches))
    for each, expected in zip(together, alone, strict=True):
        torch.testing.assert_close(each, expected)


def test_hook_goes_when_the_network_fails():
    wrapped = make("UNet")
    with pytest.raises(RuntimeError):
        wrapped(torch.rand(2, 5, 64, 64))
    assert not any(module._forward_hooks for module in wrapped.modules())


def test_refuses_other_names_and_widths():
    with pytest.raises(ValueError, match=r"deepest: Conv2d has no submodule 'bottom'"):
        WithClassHead(nn.Conv2d(3, 1, 1), "bottom", 8)
    network, deepest, _ = NETWORKS["UNet"]
    with pytest.raises(ValueError, match=r"features: 'model.* returns 12 channels, got 16"):
        WithClassHead(network(), deepest, 16)(image())


def test_batch_normalisations_get_the_momentum_that_is_asked_for():
    network = FlexibleUNet(3, 1, "efficientnet-b0", decoder_channels=(8, 8, 8, 8, 8))
    momenta = {m.momentum for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert 0.01 in momenta, "as MONAI makes them"
    WithClassHead(network, "encoder", 320)
    assert {m.momentum for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)} == momenta
    WithClassHead(network, "encoder", 320, norm_momentum=0.1)
    assert {m.momentum for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.1}
