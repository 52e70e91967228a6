"""What the augmentation of the bundles with modalities does to labels and to air."""

import json
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor

PREPARE = {"shared.transforms.PrepareBraind", "shared.transforms.PrepareProstated"}
ROTATE = "RandRotated"


def targets(path):
    config = json.loads(path.read_text())
    return [transform["_target_"] for transform in config["train"]["preprocessing"].get("transforms", [])]


BUNDLES = [path for path in sorted(Path("bundles").glob("*/configs/train.json")) if PREPARE & set(targets(path))]


def test_there_are_bundles_to_try():
    assert len(BUNDLES) >= 3


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.parents[1].name)
def test_no_corner_of_a_rotated_label_becomes_a_tumour(path):
    """A fill value of -1, as in the codes of the papers, would be the last class when used as an index."""
    parser = ConfigParser()
    parser.read_config(str(path))
    parser["rotation_degrees"] = 40.0
    (rotate,) = [item for item in parser["train::preprocessing::transforms"] if item["_target_"] == ROTATE]
    parser["rotation"] = {"_target_": "Compose", "transforms": [{**rotate, "prob": 1.0}]}
    rotation = parser.get_parsed_content("rotation").set_random_state(0)
    classes = torch.full((1, 16, 16, 16), 3, dtype=torch.int8)
    full = {"image": MetaTensor(torch.ones(1, 16, 16, 16)), "label": MetaTensor(classes)}
    rotated = rotation(full)
    assert set(rotated["label"].unique().tolist()) == {0, 3}
    assert rotated["label"][0, 0, 0, 0] == 0
    assert rotated["image"][0, 0, 0, 0] == 0  # air
    torch.testing.assert_close(rotated["label"][0, 6:10, 6:10, 6:10].float(), torch.full((4, 4, 4), 3.0))
