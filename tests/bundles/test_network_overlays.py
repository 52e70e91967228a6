"""Overlays that bring another network with its own settings for training."""

from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from shared.handlers import unknown_settings

MMFORMER = Path("bundles/brats_mri_segmentation_pareto_mmformer/configs")
OVERLAYS = sorted(Path("bundles").glob("*/configs/network_*.json"))


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_what_training_alone_reads_does_not_stop_inference(overlay):
    files = [overlay.with_name("inference.json"), overlay]
    config = ConfigParser.load_config_files([str(path) for path in files])
    assert unknown_settings(config, others=[ConfigParser.load_config_file(path) for path in files]) == []


@pytest.mark.parametrize("overlay", [None, *(path.stem for path in OVERLAYS if path.parent == MMFORMER)])
def test_network_and_loss_of_an_overlay_fit(overlay):
    """One step of training, of a small network, on a mixed batch; every parameter gets a gradient."""
    torch.manual_seed(0)
    parser = ConfigParser()
    names = ["train", *([overlay] if overlay else []), "tiny"]
    parser.read_config([str(MMFORMER / f"{name}.json") for name in names])
    network, loss = (parser.get_parsed_content(name) for name in ("network_def", "loss"))
    image = torch.randn(2, 4, 32, 32, 32)
    image[1, :2] = float("nan")
    label = torch.randint(0, 4, (2, 1, 32, 32, 32))
    batch = {"image": image, "label": label, "memberships": torch.full((2, 4, 32, 32, 32), 0.25)}
    target = {key: batch[key] for key in parser.get_parsed_content("target_keys")}
    prediction = network.train()(image, torch.tensor([[True, True, False, True], [True, True, True, False]]))
    value = loss(prediction, target)
    value.backward()
    torch.testing.assert_close(loss.terms(prediction, target)["total"], value)
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())


def test_the_published_settings_are_read():
    parser = ConfigParser()
    parser.read_config([str(MMFORMER / f"{name}.json") for name in ("train", "network_rfnet")])
    parser["features"] = 2
    optimizer = parser.get_parsed_content("optimizer")
    assert optimizer.defaults["lr"] == 2e-4
    assert optimizer.defaults["weight_decay"] == 1e-4
    assert optimizer.defaults["amsgrad"]
    scheduler = parser.get_parsed_content("lr_scheduler")
    assert scheduler.power == 0.9
    assert scheduler.total_iters == 300
