"""Which scores evaluate_subsets.json computes next to Dice, and which settings a record of scores depends on."""

import json
import re
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

OVERLAYS = sorted(Path("bundles").glob("*/configs/evaluate_subsets.json"))


def requested(overlay, **settings):
    parser = ConfigParser()
    parser.read_config([str(overlay.with_name("train.json")), str(overlay)])
    parser.update(settings)
    parts = (parser.get_parsed_content(f"subset_evaluation::{name}") for name in ("additional_metrics", "columns"))
    metrics, columns = parts
    return metrics, {name: len(columns[name]) for name in metrics}


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.parents[1].name)
def test_scores_of_other_settings_of_the_inference_are_computed_anew(overlay):
    config = json.loads(overlay.read_text())
    read, kept = (
        set(re.findall(r"@(\w+)", json.dumps(part)))
        for part in (config["validate::inferer"], config["subset_evaluation"]["settings"])
    )
    assert read
    assert read <= kept


def test_overlays_were_found():
    assert len(OVERLAYS) == 4


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.parents[1].name)
def test_dice_alone_unless_more_is_requested(overlay):
    regions = 3 if "prostate" in str(overlay) else 4
    assert requested(overlay) == ({}, {})
    assert requested(overlay, hausdorff_95=True)[1] == {"hausdorff_95": regions}
    assert requested(overlay, sensitivity_precision=True)[1] == {"sensitivity_precision": 2 * regions}
    if regions == 4:
        metrics, columns = requested(overlay, lesion_wise=True, lesion_dilation_voxels=1, lesion_min_mm3=2.0)
        assert columns == {"lesion_wise": 24}
        assert (metrics["lesion_wise"].dilation_voxels, metrics["lesion_wise"].min_volume_mm3) == (1, 2.0)
