"""Pretrained weights of the encoder, whose start stays frozen."""

from urllib.error import URLError

import pytest
import torch
from monai.networks.nets import efficientnet
from small_task_interaction import images, small_network

from shared.errors import InputError


def pretrained(monkeypatch, **options):
    """With a download of only the first layer's weights, all of them 0.5."""
    seen = []

    def download(url, **_):
        seen.append(url)
        return {"_conv_stem.weight": torch.full((32, 3, 3, 3), 0.5)}

    monkeypatch.setattr(efficientnet.model_zoo, "load_url", download)
    network = small_network(encoder_weights="imagenet-frozen-start", **options)
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
    network = small_network()
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(module.training for module in network.modules())


def test_pretrained_weights_load_into_a_network_without(monkeypatch):
    network, other = pretrained(monkeypatch).eval(), small_network().eval()
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(other(images()), network(images()))


def test_failed_download_is_one_line(monkeypatch):
    def download(url, **_):
        raise URLError("no route to host")

    monkeypatch.setattr(efficientnet.model_zoo, "load_url", download)
    with pytest.raises(InputError, match="encoder_weights: the ImageNet weights of efficientnet-b0 could not be"):
        small_network(encoder_weights="imagenet")
