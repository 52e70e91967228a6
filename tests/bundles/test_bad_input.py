"""What a person can get wrong ends with one line that names it.

Reading is tried on every bundle, without a process. Commands, with their exit status and last line, are tried on the
cheapest bundle: the others have the same parts (test_shared_parts.py).
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
from tiny_bundle import tried_on

from shared.errors import InputError, error_line, find_input_error

COMMANDS = {"train": ("train",), "evaluate": ("train", "evaluate"), "inference": ("inference",)}
READS = {"train": "train::dataset", "evaluate": "validate::dataset", "inference": "dataset"}
LABELS = ("label", "instances", "mask")
COHORT = {"cohort.csv", "cohort.md"}
NO_IMAGES = {"case", "patient", "group", "brain", *LABELS}
every_command = pytest.mark.parametrize("command", COMMANDS)
on_the_cheapest, with_each_writer = tried_on("vnet"), tried_on("vnet", "colon")


def read_all(bundle, command, **options):
    """Read the cases of a command as its run would, in this process."""
    options = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    dataset = bundle.workflow(*COMMANDS[command], **options).parser.get_parsed_content(READS[command])
    assert all(dataset)
    dataset.raise_failures()


@pytest.fixture
def refused_reading(painted):
    """A function that reads the cases of a command and returns the line that the run would end with."""

    def read(command, **options):
        with pytest.raises((RuntimeError, ValueError)) as caught:
            read_all(painted, command, **options)
        line = error_line(caught.value)
        assert re.fullmatch(r"\S.*; .+", line)
        return line

    return read


@pytest.fixture
def refused(monai_bundle, trained, tmp_path):
    """A function that runs a command of the trained bundle and returns the line that refuses it."""

    def run(command, kill_worker=False, **options):
        results = {"output_dir": tmp_path / "out"} | ({"ckpt_dir": tmp_path / "models"} if command == "train" else {})
        names = COMMANDS.get(command, ("train", command))
        ended = monai_bundle(trained.command(*names, **(results | options)), kill_worker=kill_worker)
        assert ended.status == 1, ended
        assert "Traceback" not in ended.errors
        line = ended.errors.splitlines()[-1]
        assert re.fullmatch(r"Error: \S.*; .+", line)
        return line

    return run


@on_the_cheapest
def test_a_forked_process_ends_like_an_interpreter_of_its_own(monai_bundle, painted):
    arguments = painted.command("inference", dataset_dir="nowhere")
    fresh = subprocess.run([sys.executable, "-m", "monai.bundle", *arguments], capture_output=True, text=True)
    forked = monai_bundle(arguments)
    assert forked.status == fresh.returncode == 1
    assert forked.errors.splitlines()[-1] == fresh.stderr.splitlines()[-1]
    assert "Traceback" in monai_bundle(painted.command("inference", **{"inferrer#nowhere": 1})).errors


@on_the_cheapest
@every_command
def test_a_command_without_its_data_ends_with_one_line(refused, command):
    assert refused(command, dataset_dir="nowhere").startswith("Error: nowhere: no such folder; give ")


@every_command
def test_no_such_folder_empty_folder_and_none_at_all(refused_reading, tmp_path, command):
    (tmp_path / "empty").mkdir()
    assert refused_reading(command, dataset_dir="nowhere").startswith("nowhere: no such folder; give ")
    assert refused_reading(command, dataset_dir=tmp_path / "empty").startswith(f"{tmp_path / 'empty'}: ")
    assert refused_reading(command, dataset_dir="").endswith(" with --dataset_dir.")


@every_command
def test_misspelt_settings(refused_reading, command):
    line = refused_reading(command, dataset_dirr="somewhere")
    assert line == "--dataset_dirr: no such setting; did you mean --dataset_dir?"


def test_a_setting_of_another_command_is_no_setting_of_this_one(refused_reading):
    line = refused_reading("train", ckpt_path="x")
    files = r"(\w+\.json and )*evaluate\.json and (\w+\.json and )*inference\.json and inference_trt\.json"
    assert re.match(rf"--ckpt_path: a setting of {files}, ", line)


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
def spoilt(painted, tmp_path):
    """A function that spoils one file in a copy of the data, and returns the copy's folder and the file."""

    def spoil(how, path):
        if not damage.spoils(how, path):
            pytest.skip(f"{path.name} knows no such fault")
        folder = shutil.copytree(painted.data, tmp_path / "data")
        file = folder / path.relative_to(painted.data)
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
def test_an_image_that_cannot_be_used(refused_reading, painted, spoilt, command, how, what):
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
def test_a_label_that_does_not_fit(refused_reading, painted, spoilt, command, how, what):
    folder, file = spoilt(how, label_of(cases_of(painted)[command][0]))
    line = refused_reading(command, dataset_dir=folder)
    assert str(file) in line
    assert re.search(what, line)


@on_the_cheapest
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_command_ends_with_the_line_of_a_file_that_cannot_be_read(refused, painted, spoilt, command):
    folder, file = spoilt(damage.truncated, image_of(cases_of(painted)[command][0])[1])
    assert f"Error: {file}: " in refused(command, dataset_dir=folder)


@with_each_writer
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
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"good", *COHORT}


@with_each_writer
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


def test_nothing_to_do(refused_reading, painted):
    assert refused_reading("inference", datalist=[]).startswith("the list of cases is empty")
    if "split_fractions" in ConfigParser.load_config_file(painted.root / "configs" / "train.json"):
        line = refused_reading("evaluate", split_fractions=[0.5, 0.5, 0.0])
        assert line.startswith("the test part has no case, so there is nothing to do; ")


@on_the_cheapest
def test_a_validation_without_cases(refused):
    line = refused("train", split_fractions="[0.5,0.0,0.5]")
    assert line.startswith("Error: the validation part has no case, so there is nothing to do; ")


@tried_on("vnet", "prostate", "colon")
def test_names_of_patients_stay_out_of_figures_and_file_names(trained, tmp_path):
    case = {**cases_of(trained)["inference"][0], "case": "Jane Doe"}
    trained.run("inference", datalist=[case], case_names="hash", output_dir=str(tmp_path))
    digits = hashlib.sha256(b"Jane Doe").hexdigest()[:12]
    names = {path.name for path in tmp_path.rglob("*")}
    assert {digits, f"{digits}.json", f"{digits}_overlay.png", *COHORT} <= names
    assert all(name.startswith(digits) for name in names - COHORT)
    assert all("Jane" not in (tmp_path / name).read_text() for name in COHORT)
    assert json.loads((tmp_path / digits / f"{digits}.json").read_text())["case"] == "Jane Doe"


@every_command
def test_a_folder_without_any_image(refused_reading, painted, tmp_path, command):
    folder = shutil.copytree(painted.data, tmp_path / "data")
    for case in cases_of(painted)["inference"]:
        for path in images_of(case).values():
            (folder / path.relative_to(painted.data)).unlink(missing_ok=True)  # one file may hold all
    assert refused_reading(command, dataset_dir=folder).startswith(f"{folder}: ")


@every_command
def test_a_modality_on_another_grid(refused_reading, painted, spoilt, command):
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


def test_network_and_data_that_disagree_on_the_channels(painted):
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


@on_the_cheapest
def test_a_command_whose_network_takes_other_channels(refused):
    assert "channels" in refused("train", **{"network_def#in_channels": 2})


@on_the_cheapest
@pytest.mark.parametrize(
    ("command", "kind", "says"),
    [
        ("evaluate", "missing", "no such"),
        ("inference", "another bundle's", "another network"),
        ("resume", "damaged", "not a readable checkpoint"),
        ("resume", "another bundle's", "another network"),
    ],
)
def test_checkpoints(refused, trained, tmp_path, command, kind, says):
    path = tmp_path / ("checkpoint.pt" if command == "resume" else "model.pt")
    if kind == "damaged":
        path.write_bytes((trained.out / "models" / path.name).read_bytes()[:1000])
    elif kind != "missing":
        weights = torch.nn.Linear(2, 2).state_dict()
        torch.save({"objects": {"network": weights}} if command == "resume" else weights, path)
    line = refused(command, **({"ckpt_dir": tmp_path} if command == "resume" else {"ckpt_path": path}))
    assert line.startswith(f"Error: {path}: ")
    assert says in line


@on_the_cheapest
@pytest.mark.parametrize("command", ["evaluate", "inference"])
def test_weights_of_other_settings(refused, trained, command):
    names = trained.workflow("inference").parser.get_parsed_content("class_names")
    line = refused(command, class_names=names[::-1], ckpt_path=trained.out / "models" / "model.pt")
    assert re.search(
        r"model\.pt: trained with class_names = .*, but class_names = .* is given; set --class_names", line
    )
    assert "--settings_may_differ" in line


@on_the_cheapest
def test_resuming_with_another_rate(refused, trained):
    line = refused("resume", ckpt_dir=trained.out / "models", max_epochs=9, learning_rate=1e-7)
    assert re.search(r"checkpoint\.pt: its training has --learning_rate = 0\.\d+, now it is 1e-07; resume with", line)


@on_the_cheapest
@every_command
def test_an_output_folder_that_cannot_be_written(refused, tmp_path, command):
    (tmp_path / "file").write_text("in the way")
    line = refused(command, output_dir=tmp_path / "file" / "below")
    assert line.startswith(f"Error: {tmp_path / 'file' / 'below'}")
    assert "choose another output folder" in line


@on_the_cheapest
def test_a_folder_for_checkpoints_that_cannot_be_written_is_refused_before_training(refused, tmp_path):
    (tmp_path / "file").write_text("in the way")
    line = refused("train", ckpt_dir=tmp_path / "file" / "below")
    assert line.startswith(f"Error: {tmp_path / 'file' / 'below'}")
    assert not (tmp_path / "out" / "curves.csv").exists()


@on_the_cheapest
def test_a_process_that_loads_data_and_dies(refused):
    assert "a data loading process was ended" in refused("train", num_workers=1, kill_worker=True)


def test_library_code_raises_and_does_not_exit(painted):
    with pytest.raises(RuntimeError) as caught:
        painted.run("inference", dataset_dir="nowhere")
    assert isinstance(find_input_error(caught.value), InputError)
