import json
import sys

import pytest
from monai.bundle import ConfigWorkflow

from shared.errors import find_input_error
from shared.handlers import running_workflow, unknown_settings

CONFIG = {
    "dataset_dir": "",
    "patch_size": [32, 32],
    "size": "$@patch_size[0]",
    "_note": 1,
    "is_on": True,
    "nested": {"_target_": "dict", "a": "@size", "b": "@is_on"},
    "initialize": [{"_target_": "shared.handlers.refuse_unknown_settings"}],
    "run": [
        {"_target_": "shared.handlers.save_executed_config", "path": "@executed"},
        "$@nested",
    ],
    "executed": "executed.json",
}


def make_workflow(tmp_path, **override):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(CONFIG))
    return ConfigWorkflow(str(path), logging_file=False, meta_file=None, **override)


def test_a_misspelt_setting_is_refused_with_the_nearest_known_one(tmp_path):
    assert refused(tmp_path, dataset_dirr="somewhere") == (
        "--dataset_dirr: no such setting; did you mean --dataset_dir?"
    )


def test_the_former_name_of_a_setting_is_refused_with_the_present_one(tmp_path):
    assert refused(tmp_path, sequence="t1ce") == (
        """--sequence: has another name now; write --modalities "['t1ce']\"."""
    )


def test_known_settings_pass_and_the_executed_config_holds_the_overrides(tmp_path):
    executed = tmp_path / "out" / "executed.json"
    workflow = make_workflow(tmp_path, patch_size=[16, 16], executed=str(executed), dataset_dir="here")
    workflow.initialize()
    workflow.run()
    kept = json.loads(executed.read_text())
    assert kept["patch_size"] == [16, 16]
    assert kept["dataset_dir"] == "here"
    assert "_meta_" not in kept


def test_a_setting_that_an_override_made_idle_is_no_misspelling(tmp_path):
    make_workflow(tmp_path, size=3).initialize()  # nothing names patch_size any more
    assert unknown_settings({"a": 1}) == ["a"]
    assert unknown_settings({"a": 1}, others=[{"b": "@a"}]) == []


def test_a_typed_setting_that_an_override_made_idle_gets_a_line_in_the_log(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(sys, "argv", ["monai.bundle", "run", "--patch_size", "[16, 16]", "--dataset_dir", "here"])
    given = {"patch_size": [16, 16], "dataset_dir": "here", "executed": "$@dataset_dir"}
    lines = []
    for more in ({}, {"size": 3}):
        caplog.clear()
        make_workflow(tmp_path, **given, **more).initialize()
        lines.append([record.getMessage() for record in caplog.records if record.name == "Settings"])
    assert lines == [[], ["--patch_size has no effect: an overlay replaced the part that reads it."]]


def refused(tmp_path, **override):
    with pytest.raises(RuntimeError) as caught:
        make_workflow(tmp_path, **override).initialize()
    return str(find_input_error(caught.value))


@pytest.mark.parametrize(("word", "value"), [("true", "True"), ("false", "False"), ("null", "None")])
def test_words_of_json_on_a_command_line_are_refused(tmp_path, word, value):
    """Python's command lines hand "false" on as a text, which counts as true."""
    assert refused(tmp_path, dataset_dir=word) == f"--dataset_dir: '{word}' is no value; write {value}, as in Python."


def test_words_of_json_are_refused_inside_a_value_but_not_as_a_part_of_a_word(tmp_path):
    for items in (["@size", "true"], ("@size", "true")):
        assert refused(tmp_path, nested={"_target_": "dict", "a": items}).startswith("--nested: 'true' is no")
    make_workflow(tmp_path, dataset_dir="trues", patch_size=[16, 24]).initialize()


@pytest.mark.parametrize("value", ["FALSE", "no", "off"])
def test_a_text_where_the_file_has_a_boolean_is_refused(tmp_path, value):
    assert refused(tmp_path, is_on=value) == f"--is_on: {value!r} is no value; write True or False, as in Python."


def test_booleans_expressions_and_references_are_booleans_and_none_is_not(tmp_path):
    for fine in (False, "$1 > 2", "@patch_size"):
        make_workflow(tmp_path, is_on=fine).initialize()
    assert refused(tmp_path, is_on=None) == "--is_on: expected True or False, got None; correct it."


def test_a_setting_of_another_configuration_is_refused_and_its_place_named(tmp_path):
    overlay = {"weights": "$@dataset_dir + '/model.pt'", "part": "test", "+nested::b": "@weights", "run#1": "$@part"}
    (tmp_path / "evaluate.json").write_text(json.dumps(overlay))
    assert refused(tmp_path, weights="x") == (
        "--weights: a setting of evaluate.json, which this run does not read; leave it out."
    )
    make_workflow(tmp_path, weights="x", part="y").initialize()  # as if evaluate.json had been read


def test_run_ids_of_the_caller_are_known():
    config = {"run": [], "score": ["$@a"], "a": 1, "b": 2}
    assert unknown_settings(config) == ["score", "b"]
    assert unknown_settings(config, {"score"}) == ["b"]


def test_outside_of_a_run_there_is_no_workflow():
    with pytest.raises(RuntimeError, match="No ConfigWorkflow is running"):
        running_workflow()
