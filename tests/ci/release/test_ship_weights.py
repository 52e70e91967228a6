import hashlib
import json
import shutil
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from ci.release import ship_weights
from ci.release.ship_weights import halved, with_decision_weights, write_half
from shared.errors import InputError
from shared.handlers.model_settings import read_model_settings, with_model_settings
from shared.phantoms import paint_breast_phantoms

BREAST = Path("bundles/breast_ultrasound_segmentation_interaction")


def test_matrices_are_halved_and_vectors_counts_and_settings_stay(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    network[1].running_var.fill_(1e6)  # beyond half precision
    saved = with_model_settings(network.state_dict(), {"image_size": [64, 64]})
    torch.save(halved(saved), tmp_path / "model.pt")
    read = torch.load(tmp_path / "model.pt", weights_only=True)
    assert {name: value.dtype for name, value in read.items()} == {
        "0.weight": torch.float16,
        "0.bias": torch.float32,
        "1.weight": torch.float32,
        "1.bias": torch.float32,
        "1.running_mean": torch.float32,
        "1.running_var": torch.float32,
        "1.num_batches_tracked": torch.int64,
    }
    assert read_model_settings(read._metadata) == {"image_size": [64, 64]}
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    other.load_state_dict(read)
    image = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(other.eval()(image), network.eval()(image), rtol=1e-3, atol=1e-3)
    assert other[0].weight.dtype == torch.float32


def test_a_weight_that_half_precision_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"conv\.weight: a weight is too large for half precision \(70000\)"):
        halved(OrderedDict({"conv.weight": torch.full((1, 1), 7e4)}))


def test_decision_weights_multiply_the_probabilities():
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1))
    saved = with_model_settings(network.state_dict(), {"image_size": [64, 64]})
    image = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = network(image).softmax(dim=1) * torch.tensor([1.0, 2.0, 4.0]).view(3, 1, 1)
    weighted = with_decision_weights(saved, [1, 2, 4], "2")
    network.load_state_dict(weighted)
    torch.testing.assert_close(network(image).softmax(dim=1), expected / expected.sum(dim=1, keepdim=True))
    assert read_model_settings(weighted._metadata) == {"image_size": [64, 64]}
    with pytest.raises(InputError, match=r"decision_layer: the network has no head\.bias; name the layer"):
        with_decision_weights(saved, [1, 2, 4], "head")


def test_a_file_that_is_too_large_is_refused_before_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(ship_weights, "LARGEST_MB", 0.001)
    with pytest.raises(InputError, match=r"painted.pt: 0\.\d MB, but at most 0.001 MB are kept in the repository;"):
        write_half(nn.Linear(200, 100).state_dict(), tmp_path / "models" / "painted.pt")
    assert not any((tmp_path / "models").iterdir())


def test_a_training_that_is_done_is_shipped_under_another_name_with_its_data(tmp_path, monkeypatch):
    bundle, done, scored = tmp_path / "bundle", tmp_path / "run" / "models", []
    done.mkdir(parents=True)
    for name in ("model.pt", "model_last.pt"):
        torch.save(with_model_settings(nn.Linear(2, 3).state_dict(), {"spacing_mm": [2.0]}), done / name)
    monkeypatch.setattr(ship_weights, "run", lambda *arguments: scored.append(arguments))
    given = {"overlays": "painted_sizes,pretrain", "name": "painted", "trained_on": "painted brains", "num_workers": 0}
    ship_weights.main(str(bundle), str(tmp_path / "run"), **given)
    shipped = torch.load(bundle / "models" / "painted.pt", weights_only=True)
    assert torch.equal(shipped["weight"], torch.load(done / "model.pt", weights_only=True)["weight"].half())
    assert read_model_settings(shipped._metadata) == {"spacing_mm": [2.0], "trained_on": "painted brains"}
    assert not (bundle / "models" / "model.pt").exists(), "that would say that the user has trained"
    ((_, overlays, settings),) = scored
    assert overlays == ["painted_sizes", "pretrain", "evaluate"]
    assert settings["ckpt_path"] == str(bundle / "models" / "painted.pt")
    with pytest.raises(InputError, match=r"was trained with overlays = \['painted_sizes', 'pretrain'\], now there is"):
        ship_weights.main(str(bundle), str(tmp_path / "run"), **{**given, "overlays": "pretrain"})


def test_ships_what_the_training_made_and_scores_that_file(tmp_path, capsys):
    """A bundle's copy, since its models/model.pt is written; one epoch of the smallest network."""
    bundle = shutil.copytree(BREAST, tmp_path / "bundle", ignore=shutil.ignore_patterns("models"))
    data = paint_breast_phantoms(tmp_path / "data", 4, 6, 4, size=(64, 64))
    settings = json.loads((BREAST / "configs" / "tiny.json").read_text())
    settings = {name: value for name, value in settings.items() if not name.startswith("_")} | {"max_epochs": 1}
    ship_weights.main(str(bundle), str(tmp_path / "run"), dataset_dir=str(data), **settings)
    trained = torch.load(tmp_path / "run" / "models" / "model.pt", weights_only=True)
    shipped = torch.load(bundle / "models" / "model.pt", weights_only=True)
    for name, value in halved(trained).items():
        assert torch.equal(shipped[name], value)
        assert shipped[name].dtype == value.dtype
    assert (tmp_path / "run" / "shipped" / "evaluation.csv").is_file()
    digest = hashlib.sha256((bundle / "models" / "model.pt").read_bytes()).hexdigest()
    assert f"sha256 {digest}" in capsys.readouterr().out
