"""The overlay that adds the resection cavity of BraTS 2024 as a fifth class, in training, scores and inference."""

import json
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor

OVERLAYS = sorted(Path("bundles").glob("*/configs/resection_cavity.json"))


def parser_of(overlay, *names):
    parser = ConfigParser()
    parser.read_config(
        [str(overlay if name == "resection_cavity" else overlay.with_name(f"{name}.json")) for name in names]
    )
    return parser


def test_every_brain_bundle_has_the_same_overlay():
    assert len(OVERLAYS) == len(list(Path("bundles").glob("brats_*")))
    assert all(path.read_bytes() == OVERLAYS[0].read_bytes() for path in OVERLAYS)
    assert json.loads(OVERLAYS[0].read_text())["num_classes"] == 5


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.parents[1].name)
def test_classes_of_network_preprocessing_scores_and_columns_agree(overlay):
    label = MetaTensor(torch.arange(5.0).view(1, 5, 1, 1), affine=torch.eye(4))
    train, evaluate = (parser_of(overlay, "train", "resection_cavity", *more) for more in ([], ["evaluate"]))
    regions = train.get_parsed_content("validate::postprocessing::transforms::1")({"pred": label, "label": label})[
        "pred"
    ]
    assert regions.flatten(1).tolist()[-1] == [0, 0, 0, 0, 1]
    assert len(regions) == 6
    scored = evaluate.get_parsed_content("validate::postprocessing::transforms::3")({"pred": label, "label": label})
    columns = evaluate.get_parsed_content("validate::handlers::2::columns")
    assert len(columns["dice"]) == len(scored["pred"]) == len(scored["label"]) == 7
    inference = parser_of(overlay, "inference", "resection_cavity")
    assert inference["class_names"] == train["class_names"]
    assert inference.get_parsed_content("ckpt_path") == f"{train.get_parsed_content('ckpt_dir')}/model.pt"
    if overlay.with_name("evaluate_subsets.json").exists():
        subsets = parser_of(overlay, "train", "resection_cavity", "evaluate_subsets")
        assert subsets.get_parsed_content("subset_evaluation::region_names")[-1] == "RC"
        assert len(subsets.get_parsed_content("subset_evaluation::regions")(label)) == 7
