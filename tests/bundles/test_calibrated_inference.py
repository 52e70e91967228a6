"""Inference uses the temperatures that calibrate.json fits."""

import json
import shutil
from pathlib import Path

import torch
from bundle_cases import inputs_of, segmenter_of
from tiny_bundle import tried_on


@tried_on("vnet")
def test_inference_uses_the_temperature_that_calibrate_fits(trained, case, tmp_path):
    weights = Path(shutil.copy(trained.out / "models" / "model.pt", tmp_path))
    trained.run("train", "calibrate", ckpt_path=str(weights), output_dir=str(tmp_path / "out"))
    temperature = json.loads((tmp_path / "model.temperature.json").read_text())["temperature"]
    parser = trained.workflow("train", "calibrate").parser
    calibrated, splits = (parser.get_parsed_content(part) for part in ("validate::dataset::data", "splits"))
    assert calibrated == splits["validation"] != splits["test"]
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"calibration.png", "risk_coverage.png"}
    plain, found = (segmenter_of(trained, weights, **given) for given in ({"temperature": 1}, {}))
    plain, found = (segmenter(**inputs_of(case, segmenter)) for segmenter in (plain, found))
    assert found.record["settings"]["temperature"] == temperature != 1
    assert torch.equal(found.label.as_tensor(), plain.label.as_tensor())
    inside = plain.uncertainty[0].as_tensor() > 0  # the rest is outside of what the network sees
    before, after = (result.probabilities.as_tensor().float()[:, inside] for result in (plain, found))
    warmer = (before + 1e-6).log().div(temperature).softmax(dim=0)
    torch.testing.assert_close(after, warmer, atol=5e-3, rtol=0)


@tried_on("breast", "colon")
def test_inference_of_pictures_uses_both_temperatures(trained, case, tmp_path):
    weights = Path(shutil.copy(trained.out / "models" / "model.pt", tmp_path))
    trained.run("train", "calibrate", ckpt_path=str(weights), output_dir=str(tmp_path / "out"))
    written = json.loads((tmp_path / "model.temperature.json").read_text())
    plain, found = (
        segmenter_of(trained, weights, **given)(case["image"])
        for given in ({"temperature": 1, "class_temperature": 1}, {})
    )
    for name in ("temperature", "class_temperature"):
        assert found.record["settings"][name] == written[name] != 1
    warmer = plain.class_probabilities.log().div(written["class_temperature"]).softmax(dim=0)
    torch.testing.assert_close(found.class_probabilities, warmer, atol=1e-5, rtol=0)
    assert torch.equal(found.label.as_tensor(), plain.label.as_tensor())
