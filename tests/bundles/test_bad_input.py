"""What a person can get wrong ends with one line that names it, for every bundle that is there.

Each fault is tried as a person would meet it: a command, its exit status, and the last line that it writes.
"""

import functools
import hashlib
import json
import re
import shutil
import subprocess
import sys
from inspect import signature
from pathlib import Path

import damage
import pytest
import torch
from monai.bundle import ConfigParser

from ci.lint.config_files import bundles_below
from ci.release.pack import network_of
from shared.errors import InputError, find_input_error

COMMANDS = {"train": ("train",), "evaluate": ("train", "evaluate"), "inference": ("inference",)}
LABELS = ("label", "instances", "mask")
NO_IMAGES = {"case", "patient", "group", "brain", *LABELS}
every_command = pytest.mark.parametrize("command", COMMANDS)


def refusal(ended):
    """The last line of a command that was refused as it should be: what is wrong with what, and what to do."""
    assert ended.status == 1, ended
    assert "Traceback" not in ended.errors
    line = ended.errors.splitlines()[-1]
    assert re.fullmatch(r"Error: \S.*; .+", line)
    return line


@pytest.fixture
def refused(monai_bundle, trained, tmp_path):
    """A function that runs a command of the trained bundle and returns the line that refuses it."""

    def run(command, kill_worker=False, **options):
        results = {"output_dir": tmp_path / "out"} | ({"ckpt_dir": tmp_path / "models"} if command == "train" else {})
        names = COMMANDS.get(command, ("train", command))
        return refusal(monai_bundle(trained.command(*names, **(results | options)), kill_worker=kill_worker))

    return run


def test_a_forked_process_ends_like_an_interpreter_of_its_own(monai_bundle, trained):
    if trained.root != bundles_below(Path())[0]:
        pytest.skip("Tried on one bundle.")
    arguments = trained.command("inference", dataset_dir="nowhere")
    fresh = subprocess.run([sys.executable, "-m", "monai.bundle", *arguments], capture_output=True, text=True)
    forked = monai_bundle(arguments)
    assert forked.status == fresh.returncode == 1
    assert forked.errors.splitlines()[-1] == fresh.stderr.splitlines()[-1]
    assert "Traceback" in monai_bundle(trained.command("inference", **{"inferrer#nowhere": 1})).errors


@every_command
def test_no_such_folder_empty_folder_and_none_at_all(refused, tmp_path, command):
    (tmp_path / "empty").mkdir()
    assert refused(command, dataset_dir="nowhere").startswith("Error: nowhere: no such folder; give ")
    assert refused(command, dataset_dir=tmp_path / "empty").startswith(f"Error: {tmp_path / 'empty'}: ")
    assert refused(command, dataset_dir="").endswith(" with --dataset_dir.")


@every_command
def test_misspelt_settings(refused, command):
    line = refused(command, dataset_dirr="somewhere")
    assert line == "Error: --dataset_dirr: no such setting; did you mean --dataset_dir?"


def test_a_setting_of_another_command_is_no_setting_of_this_one(refused):
    line = refused("train", ckpt_path="x")
    assert re.match(r"Error: --ckpt_path: a setting of evaluate\.json and (\w+\.json and )*inference\.json, ", line)


@functools.cache
def cases_of(bundle):
    """{command: the cases that it reads}."""
    splits = bundle.workflow("train").parser.get_parsed_content("splits")
    datalist = bundle.workflow("inference").parser.get_parsed_content("datalist")
    return {"train": splits["train"], "evaluate": splits["test"], "inference": datalist}


def images_of(case):
    """{key: path} of the images of a case; an image is a path, or a path and a channel."""
    values = {key: value for key, value in case.items() if key not in NO_IMAGES}
    paths = {key: Path(str(value[0] if isinstance(value, list) else value)) for key, value in values.items()}
    return {key: path for key, path in paths.items() if path.is_file()}


def image_of(case):
    """Key and path of the first image of a case."""
    return next(iter(images_of(case).items()))


def label_of(case):
    """The first label of a case; several are a list."""
    value = next(case[key] for key in LABELS if key in case)
    return Path(value[0] if isinstance(value, list) else value)


@pytest.fixture
def spoilt(trained, tmp_path):
    """A function that spoils one file in a copy of the data, and returns the copy's folder and the file."""

    def spoil(how, path):
        if not damage.spoils(how, path):
            pytest.skip(f"{path.name} knows no such fault")
        folder = shutil.copytree(trained.data, tmp_path / "data")
        file = folder / path.relative_to(trained.data)
        how(file)
        return folder, file

    return spoil


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
def test_an_image_that_cannot_be_used(refused, trained, spoilt, command, how, what):
    folder, file = spoilt(how, image_of(cases_of(trained)[command][0])[1])
    line = refused(command, dataset_dir=folder)
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
def test_a_label_that_does_not_fit(refused, trained, spoilt, command, how, what):
    folder, file = spoilt(how, label_of(cases_of(trained)[command][0]))
    line = refused(command, dataset_dir=folder)
    assert str(file) in line
    assert re.search(what, line)


def test_one_bad_case_among_many(refused, trained, tmp_path):
    """The others are done, every bad one is named, and so is one without any image."""
    good = cases_of(trained)["inference"][0]
    key, source = image_of(good)
    cases = [{**good, "case": "good"}, {"case": "without_any"}]
    for how in (damage.text, damage.truncated, damage.gone, damage.stray_nan, damage.seven_channels):
        if damage.spoils(how, source):
            file = Path(shutil.copy(source, tmp_path / f"{how.__name__}_{source.name}"))
            how(file)
            cases.insert(0, {**good, "case": how.__name__, key: str(file)})
    line = refused("inference", datalist=cases)
    assert line.startswith(f"Error: 1 of {len(cases)} cases done; not done: ")
    named = [case[key] for case in cases if case["case"] not in {"good", "without_any"}]
    assert all(path in line for path in named)
    assert "case without_any: " in line
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good"]


def test_a_case_that_cannot_be_written_does_not_stop_the_others(refused, trained, tmp_path):
    """Names that no folder can bear, another file in the way, another case's results in the folder."""
    good, other = cases_of(trained)["inference"][:2]
    (tmp_path / "out" / "taken").mkdir(parents=True)
    (tmp_path / "out" / "blocked").write_text("in the way")
    (tmp_path / "out" / "taken" / "taken.json").write_text('{"inputs": {"image": "another.nii"}}')
    names = ["p1/flair", "x" * 250, "blocked", "taken"]
    cases = [*({**other, "case": name} for name in names), {**good, "case": "good"}]
    line = refused("inference", datalist=cases)
    assert line.startswith("Error: 1 of 5 cases done; not done: case 'p1/flair': folder and files bear its name; ")
    assert "has 250 bytes" in line
    assert f"{tmp_path / 'out' / 'blocked'}: cannot be written" in line
    assert "taken: holds the results of another.nii" in line
    assert (tmp_path / "out" / "good" / "good.json").is_file()


def test_nothing_to_do(refused, trained, tmp_path):
    assert refused("inference", datalist="[]").startswith("Error: the list of cases is empty")
    if "split_fractions" in ConfigParser.load_config_file(trained.root / "configs" / "train.json"):
        line = refused("evaluate", split_fractions="[0.5,0.5,0.0]")
        assert line.startswith("Error: the test part has no case, so there is nothing to do; ")
        line = refused("train", split_fractions="[0.5,0.0,0.5]")
        assert line.startswith("Error: the validation part has no case, so there is nothing to do; ")


def test_names_of_patients_stay_out_of_figures_and_file_names(trained, tmp_path):
    case = {**cases_of(trained)["inference"][0], "case": "Jane Doe"}
    trained.run("inference", datalist=[case], case_names="hash", output_dir=str(tmp_path))
    digits = hashlib.sha256(b"Jane Doe").hexdigest()[:12]
    names = {path.name for path in tmp_path.rglob("*")}
    assert {digits, f"{digits}.json", f"{digits}_overlay.png"} <= names
    assert all(name.startswith(digits) for name in names)
    assert json.loads((tmp_path / digits / f"{digits}.json").read_text())["case"] == "Jane Doe"


@every_command
def test_a_folder_without_any_image(refused, trained, tmp_path, command):
    folder = shutil.copytree(trained.data, tmp_path / "data")
    for case in cases_of(trained)["inference"]:
        for path in images_of(case).values():
            (folder / path.relative_to(trained.data)).unlink(missing_ok=True)  # one file may hold all
    assert refused(command, dataset_dir=folder).startswith(f"Error: {folder}: ")


def save_weights(bundle, path, **options):
    """Write random weights of the network that a bundle has with these settings."""
    network = bundle.workflow("inference", **options).parser.get_parsed_content("network_def")
    torch.save(network.state_dict(), path)
    return path


@every_command
def test_a_modality_on_another_grid(refused, trained, spoilt, tmp_path, command):
    parser = trained.workflow("inference").parser
    if "modalities" not in parser.get():
        pytest.skip("This bundle's images have no modalities.")
    options = {}
    if len(parser.get_parsed_content("modalities")) == 1:
        options = {"modalities": ["flair", "t1ce"], "network_def#in_channels": 2}
    case = max(cases_of(trained)[command], key=lambda case: len(images_of(case)))  # some may have one modality only
    if len(images_of(case)) > len(set(images_of(case).values())):
        pytest.skip("The modalities are channels of one file.")
    folder, file = spoilt(damage.moved, image_of(case)[1])
    options["dataset_dir"] = folder
    if command != "train":
        weights = save_weights(trained, tmp_path / "model.pt", **options)
        if command == "inference":  # the others would be done
            datalist = trained.workflow(command, **options).parser.get_parsed_content("datalist")
            options["datalist"] = [found for found in datalist if found["case"] == case["case"]]
        options["ckpt_path"] = weights
    line = refused(command, **options)
    assert str(file) in line
    assert "not on one grid" in line


@every_command
def test_network_and_data_that_disagree_on_the_channels(refused, trained, tmp_path, command):
    metadata = ConfigParser.load_config_file(trained.root / "configs" / "metadata.json")
    if "in_channels" not in signature(type(network_of(trained.root))).parameters:
        pytest.skip("This bundle's network takes one number of channels only.")
    options = {"network_def#in_channels": 2 * metadata["network_data_format"]["inputs"]["image"]["num_channels"]}
    if command != "train":
        options["ckpt_path"] = save_weights(trained, tmp_path / "model.pt", **options)
    assert "channels" in refused(command, **options)


@pytest.fixture(params=["missing", "damaged", "another bundle's"])
def checkpoint(request, trained, tmp_path):
    """A function that makes a checkpoint as bad as the test's name says, from a good one."""

    def make(good):
        path = tmp_path / good.name
        if request.param == "damaged":
            with good.open("rb") as whole:
                path.write_bytes(whole.read(1000))
        elif request.param != "missing":
            weights = torch.nn.Linear(2, 2).state_dict()
            torch.save({"objects": {"network": weights}} if good.name == "checkpoint.pt" else weights, path)
        return path

    make.says = {"missing": "no such", "damaged": "not a readable checkpoint"}.get(request.param, "another network")
    return make


@pytest.mark.parametrize("command", ["evaluate", "inference", "resume"])
def test_checkpoints(refused, trained, checkpoint, command):
    path = checkpoint(trained.out / "models" / ("checkpoint.pt" if command == "resume" else "model.pt"))
    line = refused(command, **({"ckpt_dir": path.parent} if command == "resume" else {"ckpt_path": path}))
    assert line.startswith(f"Error: {path}: ")
    assert checkpoint.says in line


@pytest.mark.parametrize("command", ["evaluate", "inference"])
def test_weights_of_other_settings(refused, trained, command):
    names = trained.workflow("inference").parser.get_parsed_content("class_names")
    line = refused(command, class_names=names[::-1], ckpt_path=trained.out / "models" / "model.pt")
    assert (
        f"model.pt: trained with class_names = {names}, but class_names = {names[::-1]} is given" in line
        or "..." in line
    )
    assert "--settings_may_differ" in line


def test_resuming_with_another_rate(refused, trained):
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


def test_a_process_that_loads_data_and_dies(refused):
    assert "a data loading process was ended" in refused("train", num_workers=1, kill_worker=True)


def test_library_code_raises_and_does_not_exit(trained):
    with pytest.raises(RuntimeError) as caught:
        trained.run("inference", dataset_dir="nowhere")
    assert isinstance(find_input_error(caught.value), InputError)
