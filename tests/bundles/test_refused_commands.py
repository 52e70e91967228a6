"""A command that cannot run ends with status 1 and one line.

Commands are tried on the cheapest bundle: the others have the same parts (test_shared_parts.py).
"""

import re
import subprocess
import sys

import damage
import pytest
import torch
from bundle_cases import cases_of, every_command, image_of
from tiny_bundle import tried_on

pytestmark = tried_on("vnet")


def test_a_forked_process_ends_like_an_interpreter_of_its_own(monai_bundle, painted):
    arguments = painted.command("inference", dataset_dir="nowhere")
    fresh = subprocess.run([sys.executable, "-m", "monai.bundle", *arguments], capture_output=True, text=True)
    forked = monai_bundle(arguments)
    assert forked.status == fresh.returncode == 1
    assert forked.errors.splitlines()[-1] == fresh.stderr.splitlines()[-1]
    assert "Traceback" in monai_bundle(painted.command("inference", **{"inferrer#nowhere": 1})).errors


@every_command
def test_a_command_without_its_data_ends_with_one_line(refused, command):
    assert refused(command, dataset_dir="nowhere").startswith("Error: nowhere: no such folder; give ")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_command_ends_with_the_line_of_a_file_that_cannot_be_read(refused, painted, spoilt, command):
    folder, file = spoilt(damage.truncated, image_of(cases_of(painted)[command][0])[1])
    assert f"Error: {file}: " in refused(command, dataset_dir=folder)


def test_a_validation_without_cases_has_nothing_to_do(refused):
    line = refused("train", split_fractions="[0.5,0.0,0.5]")
    assert line.startswith("Error: the validation part has no case, so there is nothing to do; ")


def test_a_network_that_takes_other_channels_is_named(refused):
    assert "channels" in refused("train", **{"network_def#in_channels": 2})


@pytest.mark.parametrize(
    ("command", "kind", "says"),
    [
        ("evaluate", "missing", "no such"),
        ("inference", "another bundle's", "another network"),
        ("resume", "damaged", "not a readable checkpoint"),
        ("resume", "another bundle's", "another network"),
    ],
)
def test_weights_and_checkpoints_that_do_not_fit_are_named(refused, trained, tmp_path, command, kind, says):
    path = tmp_path / ("checkpoint.pt" if command == "resume" else "model.pt")
    if kind == "damaged":
        path.write_bytes((trained.out / "models" / path.name).read_bytes()[:1000])
    elif kind != "missing":
        weights = torch.nn.Linear(2, 2).state_dict()
        torch.save({"objects": {"network": weights}} if command == "resume" else weights, path)
    line = refused(command, **({"ckpt_dir": tmp_path} if command == "resume" else {"ckpt_path": path}))
    assert line.startswith(f"Error: {path}: ")
    assert says in line


@pytest.mark.parametrize("command", ["evaluate", "inference"])
def test_weights_trained_with_other_settings_are_refused(refused, trained, command):
    names = trained.workflow("inference").parser.get_parsed_content("class_names")
    line = refused(command, class_names=names[::-1], ckpt_path=trained.out / "models" / "model.pt")
    assert re.search(
        r"model\.pt: trained with class_names = .*, but class_names = .* is given; set --class_names", line
    )
    assert "--settings_may_differ" in line


def test_resuming_with_another_rate_is_refused(refused, trained):
    line = refused("resume", ckpt_dir=trained.out / "models", max_epochs=9, learning_rate=1e-7)
    assert re.search(r"checkpoint\.pt: its training has --learning_rate = 0\.\d+, now it is 1e-07; resume with", line)


@every_command
def test_an_output_folder_that_cannot_be_written(refused, tmp_path, command):
    (tmp_path / "file").write_text("in the way")
    line = refused(command, output_dir=tmp_path / "file" / "below")
    assert line.startswith(f"Error: {tmp_path / 'file' / 'below'}")
    assert "choose another output folder" in line


def test_a_folder_for_checkpoints_that_cannot_be_written_is_refused_before_training(refused, tmp_path):
    (tmp_path / "file").write_text("in the way")
    line = refused("train", ckpt_dir=tmp_path / "file" / "below")
    assert line.startswith(f"Error: {tmp_path / 'file' / 'below'}")
    assert not (tmp_path / "out" / "curves.csv").exists()


def test_a_process_that_loads_data_and_dies_is_named(refused):
    assert "a data loading process was ended" in refused("train", num_workers=1, kill_worker=True)
