"""The configurations of a packed bundle name its own code, and refuse paths of one machine."""

import json

import pytest
from zip_contents import change_config, unpacked

from ci.release.library_configs import HOOK_EXPRESSION
from ci.release.pack import pack
from shared.errors import InputError


def packed_config(bundle, tmp_path, name):
    return json.loads(unpacked(bundle, tmp_path)[f"configs/{name}.json"])


def test_shared_components_come_from_the_bundle_and_require_the_hook(toy_bundle, tmp_path):
    change_config(toy_bundle, "inference", seed={"_target_": "shared.data.twice", "number": 2, "_requires_": "@device"})
    config = packed_config(toy_bundle, tmp_path, "inference")
    assert config["imports"] == ["$import torch", "$import os", "$import sys"]
    assert config["add_bundle_to_path"] == "$sys.path.insert(0, os.path.abspath(@bundle_root))"
    assert config["network_def"] == {
        "_target_": "toy_segmentation_lib.networks.ToyNet",
        "_requires_": ["@add_bundle_to_path"],
    }
    assert config["preprocessing"]["transforms"][0]["_requires_"] == ["@add_bundle_to_path"]
    assert config["seed"]["_requires_"] == ["@add_bundle_to_path", "@device"]
    assert "_requires_" not in config["evaluator"]


def test_the_hook_is_no_import_statement_to_monai():
    assert "import" not in HOOK_EXPRESSION


def test_an_overlay_with_shared_code_brings_the_hook(toy_bundle, tmp_path):
    change_config(toy_bundle, "evaluate", score={"_target_": "shared.data.twice", "number": 2})
    config = packed_config(toy_bundle, tmp_path, "evaluate")
    assert config["+imports"] == ["$import os", "$import sys"]
    assert config["add_bundle_to_path"] == HOOK_EXPRESSION


def test_an_overlay_that_replaces_the_imports_keeps_those_of_the_hook(toy_bundle, tmp_path):
    change_config(toy_bundle, "evaluate", imports=["$import glob"])
    config = packed_config(toy_bundle, tmp_path, "evaluate")
    assert config == {"imports": ["$import glob", "$import os", "$import sys"]}


def test_an_overlay_of_plain_values_stays_as_it_is(toy_bundle, tmp_path):
    path = toy_bundle / "configs" / "resume.json"
    path.write_text('{"resume":   true}')
    assert unpacked(toy_bundle, tmp_path)["configs/resume.json"] == path.read_bytes()


def test_a_bundle_without_shared_code_has_no_code_and_no_hook(toy_bundle, tmp_path):
    for name in ("train", "inference"):
        (toy_bundle / "configs" / f"{name}.json").write_text('{"bundle_root": ".", "imports": []}')
    files = unpacked(toy_bundle, tmp_path)
    assert not [path for path in files if path.endswith(".py")]
    assert files["configs/train.json"] == b'{"bundle_root": ".", "imports": []}'


def test_shared_in_an_expression_is_refused(toy_bundle, tmp_path):
    change_config(toy_bundle, "train", imports=["$from shared.data import twice"])
    with pytest.raises(InputError, match=r"imports::0: '\$from shared.data import twice' reaches shared code"):
        pack(toy_bundle, tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dataset_dir", "/data/BraTS"),
        ("dataset_dir", "~/BraTS"),
        ("dataset_dir", "C:\\BraTS"),
        ("dataset_dir", "\\\\server\\BraTS"),
        ("dataset_dir", "file:///data/BraTS"),
        ("ckpt_path", "$'%s' % '/models'"),
        ("ckpt_path", "$'/models/' + @device"),
        ("ckpt_path", "$os.path.join('/models', @device)"),
    ],
)
def test_an_absolute_path_is_refused(toy_bundle, tmp_path, key, value):
    path = change_config(toy_bundle, "train", **{key: value})
    with pytest.raises(InputError) as caught:
        pack(toy_bundle, tmp_path)
    assert str(caught.value).startswith(f"{path}: {key}: {value!r} holds an absolute path")


@pytest.mark.parametrize("value", ["$@bundle_root + '/models'", "$f'{@bundle_root}/models'", "a/b", "$1 / 2"])
def test_a_relative_path_is_not_refused(toy_bundle, tmp_path, value):
    change_config(toy_bundle, "train", ckpt_dir=value)
    assert pack(toy_bundle, tmp_path).exists()
