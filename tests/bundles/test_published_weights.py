"""Converted weights of mmFormer see images as its published code makes them."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow

from ci.lint.lint_configs import lint_pair
from ci.lint.merged_config import merged
from ci.prepare.published_names import PUBLISHED_ORDER
from shared.networks import MMFormer, RFNet
from shared.phantoms import paint_brats_phantoms

BUNDLE = Path("bundles/brats_mri_segmentation_pareto_mmformer")
EVALUATION = ["train", "published_weights", "evaluate_subsets"]
INFERENCE = ["inference", "inference_published_weights"]
STORED_AS_BRATS = [[-5, 0, 0, 60], [0, -5, 0, 80], [0, 0, 5, -60], [0, 0, 0, 1]]
ABSENT = "t1"


def files(names):
    return [str(BUNDLE / "configs" / f"{name}.json") for name in names]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One case without its T1, stored with the axes that BraTS has, in voxels of 5 mm."""
    folder = tmp_path_factory.mktemp("phantoms")
    present = [name for name in PUBLISHED_ORDER if name != ABSENT]
    return paint_brats_phantoms(folder, num_cases=1, size=(26, 34, 26), affine=STORED_AS_BRATS, modalities=present)


def as_the_published_code_normalizes(data):
    """Its steps in plain words; each modality with the value that its air ends at."""
    stored = {
        name: nibabel.load(data / "Phantom_000" / f"Phantom_000_{name}.nii.gz").get_fdata()
        for name in PUBLISHED_ORDER
        if name != ABSENT
    }
    brain = sum(stored.values()) > 0
    normalized = {name: (volume - volume[brain].mean()) / volume[brain].std() for name, volume in stored.items()}
    air = {name: -volume[brain].mean() / volume[brain].std() for name, volume in stored.items()}
    return normalized, air, brain


@pytest.mark.parametrize(("names", "at"), [(EVALUATION, "validate::preprocessing"), (INFERENCE, "preprocessing")])
def test_images_are_those_of_the_published_code(data, names, at):
    parser = ConfigParser(ConfigParser.load_config_files(files(names)))
    parser.update(
        {"spacing_mm": [5.0] * 3, "patch_size": [32] * 3, "dataset_dir": str(data), "bundle_root": str(BUNDLE)}
    )
    parser["splits"] = {}  # of one case there is none
    case = parser.get_parsed_content("cases" if names is EVALUATION else "datalist")[0]
    image = parser.get_parsed_content(at)(dict(case))["image"]
    normalized, air, brain = as_the_published_code_normalizes(data)

    start = np.rint(np.linalg.inv(STORED_AS_BRATS) @ image.affine.numpy()[:, 3])[:3].astype(int)
    stop = start + image.shape[1:]
    assert min(image.shape[1:]) >= 32
    assert all(start <= np.argwhere(brain).min(axis=0))
    assert all(stop > np.argwhere(brain).max(axis=0))
    for name, channel in zip(PUBLISHED_ORDER, image.numpy(), strict=True):
        if name == ABSENT:
            assert np.isnan(channel).all()
            continue
        everywhere = np.pad(normalized[name], 40, constant_values=air[name])
        expected = everywhere[tuple(slice(a + 40, b + 40) for a, b in zip(start, stop, strict=True))]
        np.testing.assert_allclose(channel, expected, atol=1e-5)
        assert channel[0, 0, 0] == pytest.approx(air[name], abs=1e-5)


def test_evaluation_and_inference_are_alike():
    first, second = (merged([Path(file) for file in files(names[:2])]) for names in (EVALUATION, INFERENCE))
    assert lint_pair(first, second) == []


def test_a_case_is_inferred_with_what_it_has(data, tmp_path):
    torch.manual_seed(0)
    network = MMFormer(features=2, hidden_size=8, mlp_dim=16, num_heads=2, img_size=(32, 32, 32))
    torch.save(network.state_dict(), tmp_path / "model.pt")
    workflow = ConfigWorkflow(
        files([*INFERENCE, "inference_tiny"]),
        logging_file=False,
        workflow_type="infer",
        bundle_root=str(BUNDLE),
        dataset_dir=str(data),
        output_dir=str(tmp_path / "out"),
        ckpt_path=str(tmp_path / "model.pt"),
        device="$torch.device('cpu')",
        spacing_mm=[5.0] * 3,
    )
    workflow.initialize()
    assert workflow.network_def.legacy_token_layout
    workflow.run()
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "out").rglob("*.json"))
    assert record["modalities_absent"] == [ABSENT]


def test_converted_weights_of_rfnet_are_its_own_network():
    """Its overlay comes last and replaces what concerns mmFormer alone."""
    for names in (["train", "published_weights", "network_rfnet"], [*INFERENCE, "network_rfnet"]):
        parser = ConfigParser(ConfigParser.load_config_files(files(names)))
        parser["bundle_root"] = str(BUNDLE)
        assert isinstance(parser.get_parsed_content("network_def"), RFNet)
        assert parser.get_parsed_content("modalities") == list(PUBLISHED_ORDER)
