"""What the bundles of modality experts add: ablations as overlays, experts in the record and in a figure."""

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigParser

from shared.handlers import unknown_settings

BUNDLES = sorted(path.parents[1] for path in Path("bundles").glob("*_expert_consistency/configs/train.json"))
NETWORKS = sorted({path.stem for bundle in BUNDLES for path in bundle.glob("configs/network_*.json")})
OVERLAYS = ["no_mec", "no_rec", "no_gate", "no_weighted_fusion", "no_contrast", *NETWORKS]


def parser_of(bundle, *names):
    parser = ConfigParser()
    parser.read_config([str(bundle / "configs" / f"{name}.json") for name in names])
    return parser


def test_bundles_were_found():
    assert BUNDLES
    names = ("dcseg", "m3ae", "rfnet", "robustseg", "shaspec", "uhemis", "uhved")
    assert {f"network_{name}" for name in names} <= set(NETWORKS)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
@pytest.mark.parametrize("overlay", [None, *OVERLAYS])
def test_network_and_loss_fit_and_inference_has_the_same_network(bundle, overlay):
    """One step of a small network on a mixed batch: every parameter gets a gradient, every weight a place."""
    if overlay and not (bundle / "configs" / f"{overlay}.json").exists():
        pytest.skip(f"This bundle has no {overlay}.json.")
    torch.manual_seed(0)
    overlays = [overlay] if overlay else []
    parser = parser_of(bundle, "train", *overlays, "tiny")
    network, loss = (parser.get_parsed_content(name) for name in ("network_def", "loss"))
    modalities, size = len(parser["modalities"]), parser.get_parsed_content("patch_size")
    image = torch.randn(2, modalities, *size)
    image[1, 0] = torch.nan
    keep = torch.ones(2, modalities, dtype=torch.bool)
    keep[0, 1] = False
    label = torch.randint(0, parser["num_classes"], (2, 1, *size))
    prediction, target = network.train()(image, keep), {"image": image, "label": label}
    value = loss(prediction, target)
    value.backward()
    torch.testing.assert_close(loss.terms(prediction, target)["total"], value)
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())

    inference = parser_of(bundle, "inference", *overlays, "inference_tiny")
    inference.get_parsed_content("network_def").load_state_dict(network.state_dict())
    files = [bundle / "configs" / f"{name}.json" for name in ("inference", *overlays)]
    config = ConfigParser.load_config_files([str(path) for path in files])
    assert unknown_settings(config, others=[ConfigParser.load_config_file(path) for path in files]) == []


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_schedules_reach_the_loss_and_the_gate(bundle):
    """Warm-up of one epoch, ramp of two: eta is half and then all of its value."""
    parser = parser_of(bundle, "train", "tiny")
    schedules = [
        parser.get_parsed_content(f"train::handlers::{number}")
        for number, handler in enumerate(parser["train::handlers"])
        if handler["_target_"] == "ParamSchedulerHandler"
    ]
    network, loss = (parser.get_parsed_content(name) for name in ("network_def", "loss"))
    engine, found = Engine(lambda engine, batch: None), []
    for schedule in schedules:
        schedule.attach(engine)
    values = (loss.consistency_weight, loss.fused_weight, network.gate.strength)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: found.append([round(float(value), 6) for value in values]))
    engine.run([None], max_epochs=3)
    eta = parser["consistency_weight"]
    assert found == [[0.5 * eta, 0, 0], [eta, 1, 1], [eta, 1, 1]]


@pytest.mark.parametrize("overlay", [None, "no_gate", *NETWORKS])
@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_weight_decay_leaves_the_gate_alone(bundle, overlay):
    """Gradients of the gate are below what decay takes from its weights, which it would bring to zero."""
    if overlay and not (bundle / "configs" / f"{overlay}.json").exists():
        pytest.skip(f"This bundle has no {overlay}.json.")
    parser = parser_of(bundle, "train", *([overlay] if overlay else []), "tiny")
    network, optimizer = (parser.get_parsed_content(name) for name in ("network", "optimizer"))
    gate = {id(parameter) for name, parameter in network.named_parameters() if name.startswith("gate.")}
    assert bool(gate) == (overlay is None)
    decayed, spared = ({id(p) for p in group["params"]} for group in optimizer.param_groups)
    assert spared == gate
    assert decayed | gate == {id(parameter) for parameter in network.parameters()}
    decay = {"network_uhemis": 1e-5, "network_uhved": 1e-5, "network_shaspec": 0}.get(overlay, 1e-4)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [decay, 0]
