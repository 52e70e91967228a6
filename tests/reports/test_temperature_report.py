import csv
import json
from types import SimpleNamespace

import pytest
import torch
from monai.data import MetaTensor

from shared.errors import InputError
from shared.reports import TemperatureReport, find_temperature
from shared.reports.temperature_file import temperature_file, write_temperature
from shared.transforms import SampleLogitsd, SegmentOnGridd


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    return path


def test_a_temperature_counts_for_its_weights_alone(weights, caplog):
    assert find_temperature(None, str(weights)) == 1
    write_temperature(weights, 1.7, {})
    assert find_temperature(None, str(weights)) == 1.7
    assert find_temperature(0.9, str(weights)) == 0.9, "what is given counts"
    assert find_temperature(None, [str(weights), "other.pt"]) == 1, "an ensemble"
    weights.write_bytes(b"trained again")
    assert find_temperature(None, str(weights)) == 1
    assert "model.temperature.json: belongs to other weights and is not used; calibrate again" in caplog.text


@pytest.mark.parametrize("content", ["", "[]", '{"temperature": 1}', '{"temperature": -1, "weights_sha256": "a"}'])
def test_a_damaged_file_is_refused(weights, content):
    temperature_file(weights).write_text(content)
    with pytest.raises(InputError, match=r"model.temperature.json: .*; calibrate again, or remove it"):
        find_temperature(None, str(weights))


def test_temperature_changes_how_certain_classes_are_but_not_the_classes():
    logits = MetaTensor(torch.tensor([0.0, 2.0]).view(2, 1, 1, 1).expand(2, 3, 3, 3).clone())
    image = MetaTensor(torch.zeros(1, 3, 3, 3))
    found = SegmentOnGridd(temperature=2.0, probabilities=True)({"pred": logits, "image": image})
    assert found["pred"].eq(1).all()
    expected = torch.sigmoid(torch.tensor(1.0))
    torch.testing.assert_close(1 - found["uncertainty"][0, 0, 0, 0].as_tensor(), expected)
    torch.testing.assert_close(found["probabilities"][1, 0, 0, 0].float().as_tensor(), expected, atol=1e-3, rtol=0)


def test_voxels_are_drawn_in_the_brain_and_are_the_same_each_time():
    image = torch.zeros(1, 6, 6, 6)
    image[0, 2:4, 2:4, 2:5] = 1
    label = torch.arange(216).view(1, 6, 6, 6)
    data = {"case": "P1", "image": MetaTensor(image), "label": MetaTensor(label)}
    data["pred"] = MetaTensor(torch.cat([label, -label]).float())
    first, second = (SampleLogitsd(7, brain_key=None)(data) for _ in range(2))
    assert first["pred"].shape == (2, 7)
    assert torch.equal(first["pred"][0].long(), first["label"])
    assert image.flatten()[first["label"]].eq(1).all()
    assert torch.equal(first["label"], second["label"])
    assert len(SampleLogitsd(99, brain_key=None)(data)["label"]) == 12


def test_report_of_an_overconfident_network(weights, tmp_path):
    """Logits are three times too large: temperature 3, and a smaller calibration error."""
    torch.manual_seed(0)
    report = TemperatureReport(str(tmp_path / "out"), str(weights), "Network")
    report.start(None)
    for case in ("a", "b"):
        logits = 2 * torch.randn(3, 6000)
        label = torch.distributions.Categorical(logits=logits.T).sample()
        state = SimpleNamespace(batch=[{"case": case}], output=[{"pred": 3 * logits, "label": label}])
        report.collect(SimpleNamespace(state=state))
    report.write(None)
    written = json.loads(temperature_file(weights).read_text())
    assert written["temperature"] == pytest.approx(3, rel=0.05)
    assert (written["cases"], written["voxels"]) == (2, 12000)
    before, after = (written[name]["expected_calibration_error"] for name in ("before", "after"))
    assert after < 0.02 < 0.1 < before
    with (tmp_path / "out" / "risk_coverage.csv").open() as file:
        errors = [float(row["error"]) for row in csv.DictReader(file)]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1]
    assert {path.suffix for path in (tmp_path / "out").glob("calibration.*")} == {".csv", ".md", ".png"}
