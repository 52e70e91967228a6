"""The folder that MONAI Label takes, and MONAI Label's way through it, step by step, without MONAI Label."""

import json
import re
import shutil
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from entry_points import save_tiny_weights
from monai.bundle import ConfigParser
from monai.transforms import SaveImaged
from PIL import Image
from tiny_phantoms import paint_tiny_phantoms

from ci.release.label_bundle import label_bundle
from ci.release.own_library import own_library
from shared.errors import InputError, find_input_error
from shared.inferers import Segmenter
from shared.phantoms import paint_breast

PROSTATE = Path("bundles/prostate_mri_segmentation_expert_consistency").resolve()
PAINTED = [path.parents[1].resolve() for path in sorted(Path("bundles").glob("*/configs/painted_sizes.json"))]
BREAST = Path("bundles/breast_ultrasound_segmentation_interaction").resolve()
TINY = ["inference_tiny"]
assert PAINTED


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_tiny_weights(PROSTATE, tmp_path_factory.mktemp("weights") / "tiny.pt")


@pytest.fixture(scope="module")
def folder(weights):
    return label_bundle(PROSTATE, weights.parent / "app", TINY, {"only_modality": "t2"}, weights)


@pytest.fixture
def found_in_process():
    """A bundle's library is imported anew, not from the folder of another test, and is taken out again."""
    with own_library(PROSTATE.name), own_library(BREAST.name):
        yield


def read(folder, name):
    return json.loads((folder / "configs" / f"{name}.json").read_text())


def test_inference_json_holds_overlay_and_setting(folder, weights):
    config, packed = read(folder, "inference"), read(PROSTATE, "inference")
    overlay = read(PROSTATE, "inference_tiny")
    assert ConfigParser(config).get_parsed_content("only_modality") == "t2"
    assert {name: config[name] for name in overlay if name in packed} == {
        name: overlay[name] for name in overlay if name in packed
    }
    assert config["network_def"]["_target_"].startswith(f"{PROSTATE.name}_lib.networks.")
    assert {name: config[name] for name in ("bundle_root", "ckpt_path", "initialize")}.keys() <= config.keys()
    assert (config["bundle_root"], config["ckpt_path"]) == (packed["bundle_root"], packed["ckpt_path"])
    assert (folder / "models" / "model.pt").read_bytes() == weights.read_bytes()
    assert not (folder / "docs" / "MANIFEST.json").exists()


def test_labels_are_the_classes_of_the_label_map(folder):
    names = read(folder, "metadata")["network_data_format"]["outputs"]["pred"]["channel_def"]
    assert names == {"0": "background", "1": "peripheral zone", "2": "transition zone"}


def of_monai_label(folder, case, **options):
    """What `BundleInferTask` of MONAI Label 0.8.5 does with the two files that it reads, in its order."""
    sys.path.insert(0, str(folder))
    parser = ConfigParser()
    parser.read_config(folder / "configs" / "inference.json")
    parser.config["bundle_root"] = str(folder)
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(folder / "models" / "model.pt"))
    data = {"model": folder.name, "image": str(case), "image_path": str(case)}
    data |= parser.get_parsed_content("displayable_configs") | options
    parser["displayable_configs"].update({name: data[name] for name in parser["displayable_configs"]})
    parser.parse()
    for step in parser.get_parsed_content("preprocessing").transforms:
        data = step(data)
    with torch.no_grad():
        data["pred"] = parser.get_parsed_content("inferer")(data["image"][None], network)[0]
    for step in parser.get_parsed_content("postprocessing").transforms:
        data = data if isinstance(step, SaveImaged) else step(data)
    return data


@pytest.mark.parametrize("modality", ["t2", "adc"])
def test_one_unnamed_image_gives_the_label_map_of_inference_json(folder, weights, tmp_path, found_in_process, modality):
    """The folder is for T2; a request may name another modality."""
    painted = nibabel.load(next(paint_tiny_phantoms(PROSTATE, tmp_path, num_cases=1).glob("imagesTr/*")))
    case = tmp_path / "an_image.nii.gz"
    nibabel.save(nibabel.Nifti1Image(painted.dataobj[..., ["t2", "adc"].index(modality)], painted.affine), case)
    answer = of_monai_label(folder, case, only_modality=modality)
    own = Segmenter(PROSTATE, weights, "cpu", TINY, only_modality=modality)(str(case))
    assert len(np.unique(own.label)) > 1
    np.testing.assert_array_equal(np.asarray(answer["pred"]), np.asarray(own.label))
    np.testing.assert_allclose(answer["image"].meta["original_affine"], own.label.affine)
    assert own.record["modalities_found"] == [modality]
    assert not (folder / "eval").exists()


def test_a_picture_gives_its_regions_column_first_and_its_class(tmp_path, found_in_process):
    """MONAI Label resizes to the image's "spatial_shape" where that is another one, and writes a PNG of columns."""
    Image.fromarray(paint_breast((0, 1, 1), (96, 128), kind="benign")[0]).save(tmp_path / "picture.jpg")
    folder = label_bundle(BREAST, tmp_path / "app", [], {})
    answer = of_monai_label(folder, tmp_path / "picture.jpg")
    own = Segmenter(BREAST, device="cpu")(tmp_path / "picture.jpg")
    assert own.label.any()
    np.testing.assert_array_equal(answer["pred"], np.asarray(own.label[0]).T)
    assert answer["pred"].dtype == np.uint8
    assert not hasattr(answer["image"], "meta")
    assert answer["result_extension"] == ".png"
    probabilities = answer["result"]["class_probabilities"]
    assert answer["result"]["class"] == max(probabilities, key=probabilities.get)
    assert list(probabilities) == ["normal", "benign", "malignant"]
    np.testing.assert_allclose(list(probabilities.values()), np.asarray(own.class_probabilities), atol=1e-6)
    names = read(folder, "metadata")["network_data_format"]["outputs"]["pred"]["channel_def"]
    assert names == {"0": "background", "1": "lesion"}


@pytest.mark.parametrize("bundle", PAINTED, ids=lambda path: path.name)
def test_included_weights_come_with_the_sizes_of_their_network(tmp_path, bundle):
    folder = label_bundle(bundle, tmp_path, [], {"only_modality": "flair"})
    config = read(folder, "inference")
    sizes = read(bundle, "painted_sizes")
    taken = [name for name in sizes if name in config and not name.startswith("_")]
    assert {"spacing_mm", "features"} <= {*taken}
    assert {name: config[name] for name in taken} == {name: sizes[name] for name in taken}
    assert [path.name for path in (folder / "models").iterdir()] == ["model.pt"]
    assert (folder / "models" / "model.pt").read_bytes() == (bundle / "models" / "painted.pt").read_bytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"only_modality": "t3"}, r"only_modality: expected one of t2, adc, or None, got 't3'"),
        ({"only_modalty": "t2"}, r"only_modalty.*only_modality"),
        ({"ckpt_path": "model.pt"}, r"--ckpt_path: is set by this command; leave it out"),
    ],
)
def test_settings_are_checked_before_anything_is_written(weights, tmp_path, settings, message):
    with pytest.raises((InputError, RuntimeError)) as raised:
        label_bundle(PROSTATE, tmp_path / "app", TINY, settings, weights)
    assert re.search(message, str(find_input_error(raised.value)))  # the line that the command writes
    assert not (tmp_path / "app").exists()


def test_wrapped_or_missing_weights_are_refused(weights, tmp_path):
    wrapped = tmp_path / "wrapped.pt"
    torch.save({"state_dict": torch.load(weights)}, wrapped)
    with pytest.raises(InputError, match=r"wrapped\.pt: MONAI Label takes a plain state dict of the network"):
        label_bundle(PROSTATE, tmp_path / "app", TINY, {}, wrapped)
    with pytest.raises(InputError, match=r"none\.pt: no such weights; train first, or name some with --weights\.$"):
        label_bundle(PROSTATE, tmp_path / "app", TINY, {}, tmp_path / "none.pt")
    with pytest.raises(InputError, match=r"nothing: not a bundle"):
        label_bundle(tmp_path / "nothing", tmp_path, [], {})


def test_a_second_time_replaces_the_files(folder, weights):
    shutil.copy(folder / "configs" / "inference.json", folder.parent / "before.json")
    assert label_bundle(PROSTATE, folder.parent, TINY, {"only_modality": "adc"}, weights) == folder
    assert read(folder, "inference")["displayable_configs"] == {"only_modality": "adc"}
    shutil.move(folder.parent / "before.json", folder / "configs" / "inference.json")
