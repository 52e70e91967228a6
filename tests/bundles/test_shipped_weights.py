"""Weights that the repository holds: small, of the default network, and good enough for a painted image."""

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from ci.prepare import paint_phantoms
from shared.handlers import read_model_settings
from shared.inferers import Segmenter

BREAST = "bundles/breast_ultrasound_segmentation_interaction"
BRAINS = [
    "bundles/brats_mri_segmentation_pareto_mmformer",
    "bundles/brats_mri_segmentation_expert_consistency",
]


def test_breast_weights_are_half_precision_with_float_statistics():
    weights = torch.load(f"{BREAST}/models/model.pt", weights_only=True)
    assert {value.dtype for value in weights.values() if value.ndim > 1} == {torch.float16}
    assert {value.dtype for value in weights.values() if value.ndim == 1} == {torch.float32}
    assert sum(value.nbytes for value in weights.values()) < 12e6
    network = ConfigParser.load_config_file(f"{BREAST}/configs/inference.json")
    assert network["decoder_channels"][0] == weights["decoder.0.upsample.weight"].shape[1]


@pytest.mark.parametrize("bundle", BRAINS)
def test_weights_of_painted_brains_are_half_precision_and_those_that_their_sizes_need(bundle):
    weights = torch.load(f"{bundle}/models/painted.pt", weights_only=True)
    assert {value.dtype for value in weights.values() if value.ndim > 1} == {torch.float16}
    assert sum(value.nbytes for value in weights.values()) < 12e6
    files = [f"{bundle}/configs/{name}.json" for name in ("inference", "painted_sizes")]
    parser = ConfigParser(ConfigParser.load_config_files(files))
    parser.get_parsed_content("network_def").load_state_dict(weights)
    stored = read_model_settings(weights._metadata)
    assert "painted brains alone" in stored.pop("trained_on")
    assert parser.get_parsed_content("model_settings") == stored


def test_breast_weights_segment_and_classify_painted_images(tmp_path):
    paint_phantoms.main(out=str(tmp_path), kind="breast", num_normal=1, num_benign=1, num_malignant=1)
    segmenter = Segmenter(BREAST, device="cpu")
    for name in ("benign", "malignant", "normal"):
        result = segmenter(str(tmp_path / name / f"{name} (1).png"))
        truth = np.asarray(Image.open(tmp_path / name / f"{name} (1)_mask.png").convert("L")) > 127
        found = np.asarray(result.label).squeeze() > 0
        assert 2 * (found & truth).sum() >= 0.7 * (found.sum() + truth.sum())
        assert max(result.record["class_probabilities"], key=result.record["class_probabilities"].get) == name
