"""Data and settings that no bundle can use are named in one line.

Reading is tried on every bundle, without a process.
"""

import re
import shutil
from inspect import signature

import damage
import pytest
import torch
from bundle_cases import cases_of, every_command, image_of, images_of, label_of
from monai.bundle import ConfigParser

from shared.errors import InputError, error_line, find_input_error


@every_command
def test_a_folder_that_is_missing_empty_or_not_given_is_named(refused_reading, tmp_path, command):
    (tmp_path / "empty").mkdir()
    assert refused_reading(command, dataset_dir="nowhere").startswith("nowhere: no such folder; give ")
    assert refused_reading(command, dataset_dir=tmp_path / "empty").startswith(f"{tmp_path / 'empty'}: ")
    assert refused_reading(command, dataset_dir="").endswith(" with --dataset_dir.")


@every_command
def test_a_misspelt_setting_is_named_with_the_right_one(refused_reading, command):
    line = refused_reading(command, dataset_dirr="somewhere")
    assert line == "--dataset_dirr: no such setting; did you mean --dataset_dir?"


def test_a_setting_of_another_command_is_no_setting_of_this_one(refused_reading):
    line = refused_reading("train", ckpt_path="x")
    files = r"(\w+\.json and )*evaluate\.json and (\w+\.json and )*inference\.json and inference_trt\.json"
    assert re.match(rf"--ckpt_path: a setting of {files}, ", line)


@pytest.mark.parametrize(
    ("command", "how", "what"),
    [
        ("train", damage.text, "read"),
        ("train", damage.truncated, "read"),
        ("train", damage.stray_nan, "NaN"),
        ("train", damage.seven_channels, "7 channels"),
        ("evaluate", damage.truncated, "read"),
    ],
)
def test_an_image_that_cannot_be_used_is_named(refused_reading, painted, spoilt, command, how, what):
    folder, file = spoilt(how, image_of(cases_of(painted)[command][0])[1])
    line = refused_reading(command, dataset_dir=folder)
    assert str(file) in line
    assert what in line


@pytest.mark.parametrize(
    ("command", "how", "what"),
    [
        ("train", damage.unknown_value, "77"),
        ("train", damage.cropped, "grid|shape|size|pixels"),
        ("train", damage.moved, "grid"),
        ("evaluate", damage.cropped, "grid|shape|size|pixels"),
    ],
)
def test_a_label_that_does_not_fit_is_named(refused_reading, painted, spoilt, command, how, what):
    folder, file = spoilt(how, label_of(cases_of(painted)[command][0]))
    line = refused_reading(command, dataset_dir=folder)
    assert str(file) in line
    assert re.search(what, line)


@every_command
def test_a_folder_without_any_image_is_named(refused_reading, painted, tmp_path, command):
    folder = shutil.copytree(painted.data, tmp_path / "data")
    for case in cases_of(painted)["inference"]:
        for path in images_of(case).values():
            (folder / path.relative_to(painted.data)).unlink(missing_ok=True)  # one file may hold all
    assert refused_reading(command, dataset_dir=folder).startswith(f"{folder}: ")


@every_command
def test_a_modality_on_another_grid_is_named(refused_reading, painted, spoilt, command):
    parser = painted.workflow("inference").parser
    if "modalities" not in parser.get():
        pytest.skip("This bundle's images have no modalities.")
    two = len(parser.get_parsed_content("modalities")) == 1
    case = max(cases_of(painted)[command], key=lambda case: len(images_of(case)))  # some may have one modality only
    if len(images_of(case)) > len(set(images_of(case).values())):
        pytest.skip("The modalities are channels of one file.")
    folder, file = spoilt(damage.moved, image_of(case)[1])
    line = refused_reading(command, dataset_dir=folder, **({"modalities": ["flair", "t1ce"]} if two else {}))
    assert str(file) in line
    assert "not on one grid" in line


def test_an_empty_list_or_part_has_nothing_to_do(refused_reading, painted):
    assert refused_reading("inference", datalist=[]).startswith("the list of cases is empty")
    if "split_fractions" in ConfigParser.load_config_file(painted.root / "configs" / "train.json"):
        line = refused_reading("evaluate", split_fractions=[0.5, 0.5, 0.0])
        assert line.startswith("the test part has no case, so there is nothing to do; ")


def test_a_network_that_takes_other_channels_is_refused(painted):
    parser = painted.workflow("inference").parser
    if "in_channels" not in signature(type(parser.get_parsed_content("network_def"))).parameters:
        pytest.skip("This bundle's network takes one number of channels only.")
    image = ConfigParser.load_config_file(painted.root / "configs" / "metadata.json")["network_data_format"]["inputs"]
    channels, axes = (image["image"][key] for key in ("num_channels", "spatial_shape"))
    other = painted.workflow("inference", **{"network_def#in_channels": 2 * channels})
    network = other.parser.get_parsed_content("network_def").eval()
    with pytest.raises((RuntimeError, ValueError)) as caught:
        network(torch.rand(1, channels, *[32] * len(axes)))
    assert "channels" in error_line(caught.value)


def test_library_code_raises_and_does_not_exit(painted):
    with pytest.raises(RuntimeError) as caught:
        painted.run("inference", dataset_dir="nowhere")
    assert isinstance(find_input_error(caught.value), InputError)
