"""A bundle's included weights are used, with their sizes, until the user has weights of their own."""

import json
import sys

import pytest
from monai.bundle import ConfigWorkflow

from shared.errors import find_input_error

SIZES = {"spacing_mm": [2.0, 2.0], "features": 4}
STEP = {
    "_target_": "shared.handlers.use_included_weights",
    "setting": "ckpt_path",
    "own_path": "$@bundle_root + '/models/model.pt'",
    "included_path": "$@bundle_root + '/models/painted.pt'",
    "sizes_path": "$@bundle_root + '/configs/painted_sizes.json'",
}
FILES = {
    "inference": {
        "bundle_root": ".",
        "ckpt_dir": "$@bundle_root + '/models'",
        "ckpt_path": "$@ckpt_dir + '/model.pt'",
        "spacing_mm": [1.0, 1.0],
        "features": 8,
        "seen": {"_target_": "dict", "file": "@ckpt_path", "spacing_mm": "@spacing_mm", "features": "@features"},
        "initialize": ["$@seen", STEP, "$dict(@seen)"],
    },
    "tiny": {"features": 2},
    "network_other": {"ckpt_dir": "$@bundle_root + '/models/other'"},
    "painted_sizes": {"_desc_": "Overlay.", **SIZES},
}


@pytest.fixture
def bundle(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / "configs" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "painted.pt").touch()
    return tmp_path


def seen(bundle, *overlays, **options):
    """What the network would be built with: file of the weights in models/, voxel size, features."""
    files = [str(bundle / "configs" / f"{name}.json") for name in ("inference", *overlays)]
    options = {"bundle_root": str(bundle), **options}
    workflow = ConfigWorkflow(files, workflow_type="infer", logging_file=False, meta_file=None, **options)
    workflow.initialize()
    found = workflow.parser.get_parsed_content("seen")
    return found["file"].removeprefix(f"{bundle}/models/"), found["spacing_mm"], found["features"]


INCLUDED = ("painted.pt", [2.0, 2.0], 4)


def test_an_untrained_bundle_uses_the_included_weights_and_says_so_in_one_line(bundle, caplog):
    caplog.set_level("INFO")
    assert seen(bundle) == INCLUDED
    assert [record.getMessage() for record in caplog.records if record.name == "IncludedWeights"] == [
        f"No weights in {bundle}/models/model.pt: uses the included {bundle}/models/painted.pt with "
        "spacing_mm [2.0, 2.0], features 4."
    ]


def test_sizes_that_only_a_training_has_are_left_out(bundle):
    sizes = {**FILES["painted_sizes"], "contrastive_loss": None}
    (bundle / "configs" / "painted_sizes.json").write_text(json.dumps(sizes))
    assert seen(bundle) == INCLUDED


def test_nothing_changes_once_there_are_weights_of_a_training(bundle):
    (bundle / "models" / "model.pt").touch()
    assert seen(bundle) == ("model.pt", [1.0, 1.0], 8)


def test_nothing_changes_without_included_weights(bundle):
    (bundle / "models" / "painted.pt").unlink()
    (bundle / "configs" / "painted_sizes.json").unlink()
    assert seen(bundle) == ("model.pt", [1.0, 1.0], 8)


def test_other_weights_are_not_replaced_even_if_they_are_not_there(bundle):
    assert seen(bundle, ckpt_path="other.pt") == ("other.pt", [1.0, 1.0], 8)
    assert seen(bundle, ckpt_path=["a.pt", "b.pt"], seen={"_target_": "dict", "file": "", **SIZES})[0] == ""
    assert seen(bundle, ckpt_path=f"{bundle}/models/model.pt") == ("model.pt", [1.0, 1.0], 8)
    assert seen(bundle, ckpt_dir=f"{bundle}/models/mine") == ("mine/model.pt", [1.0, 1.0], 8)
    assert seen(bundle, "network_other") == ("other/model.pt", [1.0, 1.0], 8)


def test_after_a_training_the_included_weights_can_be_named(bundle):
    (bundle / "models" / "model.pt").touch()
    assert seen(bundle, ckpt_path=f"{bundle}/configs/../models/painted.pt")[1:] == INCLUDED[1:]


def test_an_overlay_with_other_sizes_keeps_the_default(bundle, caplog):
    caplog.set_level("INFO")
    assert seen(bundle, "tiny") == ("model.pt", [1.0, 1.0], 2)
    assert "painted.pt are not used: an overlay sets other sizes than spacing_mm [2.0, 2.0], features 4" in caplog.text
    assert seen(bundle, "painted_sizes") == INCLUDED


@pytest.mark.parametrize("features", [8, 16], ids=["the published size", "another"])
def test_a_size_that_does_not_fit_is_refused_wherever_it_was_given(bundle, monkeypatch, features):
    message = (
        f"--features: expected 4 for the included weights {bundle}/models/painted.pt, got {features}; leave "
        "--features out, or name your own weights with --ckpt_path."
    )
    with pytest.raises(RuntimeError) as caught:
        seen(bundle, features=features, _given_=["features"])
    assert str(find_input_error(caught.value)) == message
    monkeypatch.setattr(sys, "argv", ["monai.bundle", "run", "--features", str(features)])
    with pytest.raises(RuntimeError) as caught:
        seen(bundle, features=features)
    assert str(find_input_error(caught.value)) == message
    assert seen(bundle, features=4) == INCLUDED
    assert seen(bundle, _given_=[]) == INCLUDED, "a program's own options are none of the bundle's"
