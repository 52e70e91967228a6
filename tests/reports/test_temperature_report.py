import csv
import json
import math
from types import SimpleNamespace

import pytest
import torch
from monai.data import MetaTensor

from shared.errors import InputError
from shared.reports import TemperatureReport, find_temperature, member_temperatures
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


def report_on(cases, folder, weights):
    """The report of one batch of cases."""
    report = TemperatureReport(str(folder / "out"), str(weights), "Network")
    state = SimpleNamespace(rank=0, batch=[{"case": case} for case in cases], output=list(cases.values()))
    report.start(SimpleNamespace(state=state))
    report.collect(SimpleNamespace(state=state))
    report.write(None)


def risk_rows(folder):
    with (folder / "out" / "risk_coverage.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def test_logits_of_another_grid_meet_the_labels_at_the_same_place_and_cases_draw_their_own():
    """The network's grid starts two voxels before the label's, so its logit at (x + 2) belongs to the label at x."""
    affine = torch.eye(4, dtype=torch.float64)
    affine[0, 3] = -2
    seen = torch.arange(6.0).view(1, 6, 1, 1).expand(1, 6, 50, 1).clone()
    label = MetaTensor(torch.arange(4).view(1, 4, 1, 1).expand(1, 4, 50, 1).clone())
    data = {"image": MetaTensor(torch.ones(1, 4, 50, 1)), "label": label, "pred": MetaTensor(seen, affine=affine)}
    first, second = (SampleLogitsd(40, brain_key=None)(data | {"case": case}) for case in ("P1", "P2"))
    assert torch.equal(first["pred"][0], first["label"] + 2.0)
    assert not torch.equal(first["label"], second["label"])


def test_report_of_an_overconfident_network(weights, tmp_path):
    """Logits are three times too large: temperature 3, and a smaller calibration error."""
    torch.manual_seed(0)
    cases = {}
    for case in ("a", "b"):
        logits = 2 * torch.randn(3, 6000)
        label = torch.distributions.Categorical(logits=logits.T).sample()
        cases[case] = {"pred": 3 * logits, "label": label}
    report_on(cases, tmp_path, weights)
    written = json.loads(temperature_file(weights).read_text())
    assert written["temperature"] == pytest.approx(3, rel=0.05)
    assert (written["cases"], written["voxels"]) == (2, 12000)
    before, after = (written[name]["expected_calibration_error"] for name in ("before", "after"))
    assert after < 0.02 < 0.1 < before
    errors = [row["error"] for row in risk_rows(tmp_path)]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1]
    assert {path.suffix for path in (tmp_path / "out").glob("calibration.*")} == {".csv", ".md", ".png"}


def test_most_certain_voxels_and_cases_by_hand_at_the_temperature_that_was_fitted(weights, tmp_path, monkeypatch):
    """In each case a voxel of logits (0, 2, -10) is right and one of (2.5, 0, 0) misses a lesion.

    At temperature 1 the first is more certain (0.88 and 0.86), at 1/2 the second (0.982 and 0.987). The second case has
    logits twice as large and two right voxels more: it is more certain, and its Dice is 2 * 3 / (3 + 4), not 2 / 3.
    """
    monkeypatch.setattr("shared.reports.temperature_report.fit_temperature", lambda logits, labels: 0.5)
    pred = torch.tensor([[0.0, 2.0, -10.0], [2.5, 0.0, 0.0]])
    more = torch.cat([2 * pred, torch.tensor([[0.0, 3.0, -10.0]]).expand(2, -1)])
    cases = {
        "unsure": {"pred": pred.T, "label": torch.tensor([1, 1])},
        "sure": {"pred": more.T, "label": torch.tensor([1, 1, 1, 1])},
    }
    report_on(cases, tmp_path, weights)
    half, *_, everything = risk_rows(tmp_path)
    assert (half["kept"], everything["kept"]) == (0.5, 1)
    assert half["dice_of_cases"] == pytest.approx(6 / 7, abs=1e-4)
    assert everything["dice_of_cases"] == pytest.approx((2 / 3 + 6 / 7) / 2, abs=1e-4)
    assert half["error"] == pytest.approx((1 + 1 / 2) / 2), "of both voxels kept, one of each"
    assert everything["error"] == pytest.approx((1 / 2 + 1 / 4) / 2)


def test_networks_of_an_ensemble_have_their_own_temperatures(weights, tmp_path, caplog):
    other = tmp_path / "other.pt"
    other.write_bytes(b"more weights")
    write_temperature(weights, 1.7, {"class_temperature": 2.5})
    assert member_temperatures(str(weights), [None]) == [], "one network"
    paths = [str(weights), str(other)]
    assert member_temperatures(paths, [None, None]) == [[1.7, 2.5], [1, 1]]
    assert "other.pt: has no temperature, as other networks of the ensemble have; calibrate it, too" in caplog.text
    write_temperature(other, [0.5, 2.0], {})
    assert member_temperatures(paths, [None]) == [[1.7], [[0.5, 2.0]]]
    assert member_temperatures(paths, [3.0, None]) == [[1, 2.5], [1, 1]], "what is given is that of the mean"


def test_a_file_has_one_temperature_per_class_and_one_of_whole_images(weights):
    write_temperature(weights, [0.5, 2.0], {"class_temperature": 3.0})
    assert find_temperature(None, str(weights)) == [0.5, 2.0]
    assert find_temperature(None, str(weights), "class_temperature") == 3
    write_temperature(weights, [0.5, -2.0], {})
    with pytest.raises(InputError, match=r"expected a temperature above 0, got \[0.5, -2.0\]"):
        find_temperature(None, str(weights))


def test_classes_of_images_get_a_temperature_of_their_own(weights, tmp_path):
    """Four images of one class logit: three right of four is log 3, where the network says 4 log 3."""
    pred, logit = torch.zeros(2, 10), 4 * math.log(3)
    cases = {}
    for number in range(5):
        result = {"pred": pred, "label": torch.tensor([0, 1] * 5), "class_logits": torch.tensor([0, logit])}
        cases[str(number)] = result | ({"image_class": int(number < 3)} if number < 4 else {})
    report_on(cases, tmp_path, weights)
    written = json.loads(temperature_file(weights).read_text())
    assert written["class_temperature"] == pytest.approx(4, rel=1e-3)
    assert written["images"] == 4
    after = written["class of the image, after"]
    assert after["expected_calibration_error"] == pytest.approx(0, abs=1e-3)
    assert risk_rows(tmp_path)[-1]["class_error"] == pytest.approx(1 / 4)
