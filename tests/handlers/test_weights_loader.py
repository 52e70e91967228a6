"""Weights load whatever prefix or wrapper they were saved with."""

import hashlib
import json
from collections import OrderedDict

import pytest
import torch
from tiny_training import input_error

from shared.errors import InputError
from shared.handlers import WeightsLoader


def small_network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Conv2d(2, 2, 1))


def renamed(prefix):
    return {prefix + name: value for name, value in small_network().state_dict().items()}


class InModule(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.network = small_network()
        self.loss_weight = torch.nn.Parameter(torch.ones(()))


def saved_forms():
    weights = small_network().state_dict()
    compiled_part = OrderedDict((name.replace("0.", "0._orig_mod."), value) for name, value in weights.items())
    optimizer = torch.optim.Adam(small_network().parameters()).state_dict()
    return {
        "plain": weights,
        "model": {"model": weights},
        "DataParallel": renamed("module."),
        "torch.compile": renamed("_orig_mod."),
        "both": renamed("module._orig_mod."),
        "both, the other way round": renamed("_orig_mod.module."),
        "one compiled part": compiled_part,
        "any prefix": renamed("backbone.unet."),
        "a training module with a loss": {"state_dict": InModule().state_dict(), "epoch": 3},
        "Lightning": {"state_dict": renamed("net."), "optimizer_states": [optimizer], "hyper_parameters": {"a": 1}},
        "model_state_dict": {"model_state_dict": renamed("module."), "optimizer_state_dict": optimizer, "epoch": 3},
        "MONAI": {"net": weights, "optimizer": optimizer},
        "nnU-Net": {"network_weights": weights, "optimizer_state": optimizer, "init_args": {"a": ["b"]}},
        "an unknown wrapper": {"best": {"generator": weights}, "epoch": 3},
        "checkpoint.pt": {"objects": {"network": weights, "optimizer": optimizer}, "epoch": 2, "scaler": {}},
        "averaged": {"n_averaged": torch.tensor(3), **renamed("module.")},
        "network before its average": {"network": weights, "ema": {n: v * 0 for n, v in weights.items()}},
        "half": {name: value.half() if value.is_floating_point() else value for name, value in weights.items()},
        "bfloat16": {name: value.bfloat16() if value.is_floating_point() else value for name, value in weights.items()},
        "with other entries": {**weights, "epoch": 3, "name": "best"},
    }


@pytest.mark.parametrize("form", saved_forms())
def test_every_form_of_the_same_weights_loads(tmp_path, form):
    torch.save(saved_forms()[form], tmp_path / "model.pt")
    network = small_network()
    torch.nn.init.zeros_(network[0].weight)
    WeightsLoader(str(tmp_path / "model.pt"), network)()
    for name, value in small_network().state_dict().items():
        assert network.state_dict()[name].dtype == value.dtype
        torch.testing.assert_close(network.state_dict()[name], value, atol=2e-3, rtol=1e-2)


def test_what_is_left_out_is_named(tmp_path, caplog):
    torch.save(saved_forms()["with other entries"], tmp_path / "model.pt")
    WeightsLoader(str(tmp_path / "model.pt"), small_network())()
    assert "2 entries are not of this network and left out, e.g. epoch (int)" in caplog.text


def test_two_state_dicts_that_fit_equally_well_are_refused(tmp_path):
    torch.save({**renamed("teacher."), **renamed("student.")}, tmp_path / "model.pt")
    error = input_error(WeightsLoader(str(tmp_path / "model.pt"), small_network()))
    assert "holds several state dicts that fit, 'student.' and 'teacher.'" in error


def test_an_error_counts_what_really_differs_and_shows_the_first_of_each(tmp_path):
    weights = renamed("module.")
    del weights["module.1.bias"], weights["module.1.running_mean"]
    weights["module.3.weight"] = torch.zeros(1)
    weights["module.0.weight"] = torch.zeros(2, 4, 3, 3)
    torch.save(weights, tmp_path / "model.pt")
    assert (
        "9 entries are expected, 8 are there without the prefix 'module.': missing 2 (e.g. '1.bias'), superfluous 1 "
        "(e.g. '3.weight'), of another shape 1 (e.g. '0.weight': (2, 4, 3, 3) in the file, "
        "(2, 1, 3, 3) in the network); use this bundle's own weights"
    ) in input_error(WeightsLoader(str(tmp_path / "model.pt"), small_network()))


def test_several_files_are_an_ensemble_of_networks_of_their_own(tmp_path):
    paths = [tmp_path / name for name in ("one.pt", "two.pt")]
    saved = [torch.nn.Linear(2, 3) for _ in paths]
    for path, network in zip(paths, saved, strict=True):
        torch.save(network.state_dict(), path)
    loader = WeightsLoader(list(map(str, paths)), torch.nn.Linear(2, 3), ensemble=True)
    loader()
    assert [torch.equal(mine.weight, its.weight) for mine, its in zip(loader.networks, saved, strict=True)] == [
        True
    ] * 2
    assert loader.networks[0] is loader.network
    noted = json.loads(loader.note)["ensemble"]
    assert [file["sha256"] for file in noted] == [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    loader()
    assert len(loader.networks) == 2


def test_an_ensemble_is_refused_where_nothing_averages_it(tmp_path):
    with pytest.raises(InputError, match=r"--ckpt_path: 2 files are an ensemble, which only inference averages"):
        WeightsLoader(["a.pt", "b.pt"], torch.nn.Linear(2, 3))
    for files in ([], ["a.pt", "./a.pt"]):
        with pytest.raises(InputError, match="--ckpt_path: expected different files"):
            WeightsLoader(files, torch.nn.Linear(2, 3), ensemble=True)
