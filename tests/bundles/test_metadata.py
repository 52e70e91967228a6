"""Metadata of every bundle, against MONAI's schema, the bundle's configs and the repository's pins."""

import json
import os
import re
from pathlib import Path

import pytest
from monai.bundle import verify_metadata

from ci.lint.config_files import bundles_below
from ci.lint.merged_config import merged, plain

SCHEMA_URL = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
# A copy of MONAI's file, Apache-2.0. METADATA_SCHEMA names another place, where MONAI puts it if nothing lies there.
SCHEMA = {
    "filepath": os.environ.get("METADATA_SCHEMA", "tests/bundles/meta_schema_20240725.json"),
    "hash_val": "cd64aa8a5904426f6fc6855dabe46af8c742d5bad644b4e9cfb78ebad09ad678",
    "hash_type": "sha256",
}
EXPECTED = {"name", "changelog", "data_source", "data_type", "image_classes", "label_classes", "pred_classes"} | {
    "eval_metrics",
    "intended_use",
    "references",
    "supported_apps",
}
FILES = [
    "LICENSE",
    "configs/evaluate.json",
    "configs/inference.json",
    "configs/logging.conf",
    "configs/multi_gpu_train.json",
    "configs/tiny.json",
    "configs/train.json",
    "docs/README.md",
    "docs/data_license.txt",
]


@pytest.fixture(params=bundles_below(Path()), ids=lambda bundle: bundle.name)
def bundle(request):
    return request.param


@pytest.fixture
def metadata(bundle):
    return json.loads((bundle / "configs" / "metadata.json").read_text())


def pins():
    lines = (line.split("#")[0].strip() for line in Path("requirements.txt").read_text().splitlines())
    return dict(line.split("==") for line in lines if line)


def test_bundles_were_found():
    assert bundles_below(Path())


def test_satisfies_the_schema(bundle):
    verify_metadata(meta_file=str(bundle / "configs" / "metadata.json"), **SCHEMA)


def test_the_schema_refuses_metadata_without_a_task(metadata, tmp_path):
    (tmp_path / "metadata.json").write_text(json.dumps({k: v for k, v in metadata.items() if k != "task"}))
    with pytest.raises(ValueError, match="'task' is a required property"):
        verify_metadata(meta_file=str(tmp_path / "metadata.json"), **SCHEMA)


def test_names_the_schema_that_published_bundles_name(metadata):
    assert metadata["schema"] == SCHEMA_URL


def test_says_all_that_the_zoo_shows(metadata):
    assert EXPECTED - metadata.keys() == set()


def test_version_is_in_the_changelog_and_sorts_as_text(metadata):
    """MONAI sorts versions as text: 0.10.0 would come before 0.9.0."""
    assert re.fullmatch(r"\d\.\d\.\d", metadata["version"])
    assert metadata["version"] in metadata["changelog"]


def test_pins_are_those_that_are_tested(metadata):
    pinned = metadata["required_packages_version"] | {
        "monai": metadata["monai_version"],
        "torch": metadata["pytorch_version"],
        "numpy": metadata["numpy_version"],
    }
    assert pinned.items() - pins().items() == set()


def test_every_channel_has_its_name(metadata):
    formats = metadata["network_data_format"]
    assert list(formats["inputs"]) == ["image"]
    assert list(formats["outputs"]) == ["pred"]
    for tensor in (formats["inputs"]["image"], formats["outputs"]["pred"]):
        assert list(tensor["channel_def"]) == [str(channel) for channel in range(tensor["num_channels"])]


@pytest.mark.parametrize("name", ["train", "inference"])
def test_channels_of_the_image_are_the_modalities_of_the_config(bundle, metadata, name):
    config = merged([bundle / "configs" / f"{name}.json"])
    if "modalities" not in config.items:
        pytest.skip("This bundle's images have no modalities.")
    channels = metadata["network_data_format"]["inputs"]["image"]["channel_def"]
    assert list(channels.values()) == plain(config, config.items["modalities"])


def test_folder_is_named_for_its_task(bundle):
    """MONAI Label reads the task from the name."""
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", bundle.name)
    assert {"segmentation", "detection", "classification"} & set(bundle.name.split("_"))


@pytest.mark.parametrize("file", FILES)
def test_file_is_there(bundle, file):
    assert (bundle / file).is_file()
