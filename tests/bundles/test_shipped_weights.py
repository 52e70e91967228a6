"""Weights that the repository holds: small, of the default network, good on images that nobody trained on."""

import os
from pathlib import Path

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
EVERY_EIGHTH_TEST_IMAGE = {
    "benign": [105, 151, 215, 265, 286, 382, 61],
    "malignant": [116, 148, 205, 94],
    "normal": [23, 9],
}


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


def test_breast_weights_segment_painted_lesions(tmp_path):
    paint_phantoms.main(out=str(tmp_path), kind="breast", num_normal=0, num_benign=1, num_malignant=1)
    segmenter = Segmenter(BREAST, device="cpu")
    for name in ("benign", "malignant"):
        image = tmp_path / name / f"{name} (1).png"
        assert _dice(segmenter(str(image)), image) >= 0.7


@pytest.mark.skipif("SEGMENTATION_DATA" not in os.environ, reason="SEGMENTATION_DATA is not set: no real images here")
def test_breast_weights_segment_and_classify_images_of_the_test_part():
    folder = Path(os.environ["SEGMENTATION_DATA"]) / "busi" / "Dataset_BUSI_with_GT"
    segmenter = Segmenter(BREAST, device="cpu")
    dice, right = [], []
    for name, numbers in EVERY_EIGHTH_TEST_IMAGE.items():
        for number in numbers:
            image = folder / name / f"{name} ({number}).png"
            result = segmenter(str(image))
            probabilities = result.record["class_probabilities"]
            right.append(max(probabilities, key=probabilities.get) == name)
            if name != "normal":
                dice.append(_dice(result, image))
    assert np.mean(dice) >= 0.7
    assert sum(right) >= 9


def _dice(result, image):
    masks = sorted(image.parent.glob(f"{image.stem}_mask*.png"))
    truth = np.any([np.asarray(Image.open(mask).convert("L")) > 127 for mask in masks], axis=0)
    found = np.asarray(result.label).squeeze() > 0
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())
