import csv

import pytest
import torch

from ci.experiments import interactions
from shared.errors import InputError
from shared.networks import TaskInteractionUNet
from shared.phantoms import paint_breast_phantoms

BUNDLE = "bundles/breast_ultrasound_segmentation_interaction"


class TwoLevels(torch.nn.Module):
    """Measures that say which image, level and stream they belong to."""

    def interactions(self, image):
        first = image.mean(dim=(1, 2, 3))
        return [
            {
                "omega_seg": first + 0.1 * level,
                "omega_clf": first + 0.1 * level + 0.01,
                "displacement_seg": first + 0.1 * level + 0.02,
                "displacement_clf": first + 0.1 * level + 0.03,
            }
            for level in range(2)
        ]


def batches():
    images = torch.arange(1.0, 4.0)[:, None, None, None].expand(-1, 3, 2, 2)
    return [{"case": ["a", "b"], "image": images[:2]}, {"case": ["c"], "image": images[2:]}]


def test_a_row_per_case_and_level():
    table = interactions.interactions_of(TwoLevels(), batches(), torch.device("cpu")).set_index(["case", "level"])
    assert list(table.index) == [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 1), ("c", 2)]
    assert list(table) == ["displacement_seg", "displacement_clf", "omega_seg", "omega_clf"]
    assert table.loc["b", 2].tolist() == pytest.approx([2.12, 2.13, 2.1, 2.11])


def test_bars_are_the_means_over_cases(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("matplotlib.axes.Axes.bar_label", lambda self, bars, **style: drawn.append(bars.datavalues))
    rows = interactions.interactions_of(TwoLevels(), batches(), torch.device("cpu"))
    interactions.draw(tmp_path / "interactions.png", rows, "title")
    expected = [[2.02, 2.12], [2.03, 2.13], [2.0, 2.1], [2.01, 2.11]]
    assert [bars.tolist() for bars in drawn] == [pytest.approx(bars) for bars in expected]


@pytest.mark.parametrize("method", [None, lambda image: []])
def test_network_without_interaction(method):
    network = torch.nn.Identity()
    if method is not None:
        network.interactions = method
    with pytest.raises(InputError, match="Identity has no task interaction; choose a training that has"):
        interactions.interactions_of(network, batches(), torch.device("cpu"))


def test_a_bundle_from_its_configuration(tmp_path):
    """Phantoms and an untrained network, which the settings name."""
    data = paint_breast_phantoms(tmp_path / "data", 4, 6, 4, size=(64, 64))
    network = TaskInteractionUNet(encoder="efficientnet-lite0", decoder_channels=(16, 16, 8, 8))
    torch.save(network.state_dict(), tmp_path / "model.pt")
    settings = {"dataset_dir": str(data), "ckpt_path": str(tmp_path / "model.pt"), "device": torch.device("cpu")}
    interactions.main(BUNDLE, str(tmp_path / "out"), "tiny", **settings)
    with (tmp_path / "out/interactions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * len({row["case"] for row in rows})
    for row in rows:
        assert float(row["omega_seg"]) + float(row["omega_clf"]) == pytest.approx(1, abs=2e-6)
        assert 0 < float(row["displacement_seg"]) <= 0.7
    assert (tmp_path / "out/interactions.png").read_bytes().startswith(b"\x89PNG")


def test_unknown_overlay(tmp_path):
    with pytest.raises(InputError, match=r"no_such.json: no such file; correct --bundle or --overlays"):
        interactions.main(BUNDLE, str(tmp_path), "tiny,no_such")
    assert not list(tmp_path.iterdir())
