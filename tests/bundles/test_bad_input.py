"""What a person can get wrong ends with one line that names it, for every bundle that is there."""

import subprocess
import sys

import nibabel
import numpy as np
import pytest
import torch

from shared.errors import InputError
from shared.handlers import one_line_of


def line_of(bundle, *names, **options):
    """The line that a run ends with."""
    with pytest.raises(RuntimeError, match=r"Failed to (evaluate|instantiate)") as caught:
        bundle.run(*names, **options)
    line = one_line_of(caught.value)
    assert line is not None, f"a traceback would be shown for {caught.value!r}"
    assert "\n" not in line
    return line


def run_as_a_person(bundle, *options):
    """Status and standard error of the command line."""
    command = [sys.executable, "-m", "monai.bundle", "run", "--bundle_root", str(bundle.root)]
    command += ["--config_file", str(bundle.files("inference", "inference_tiny")), *options]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--dataset_dir", "Error: nowhere: no such"),
        ("--dataset_dirr", "Error: --dataset_dirr: no such setting; did you"),
    ],
)
def test_status_and_last_line_on_the_command_line(trained, option, line):
    ended = run_as_a_person(trained, option, "nowhere")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith(line)


@pytest.mark.parametrize("names", [("train",), ("train", "evaluate"), ("inference",)])
def test_no_such_folder_empty_folder_and_none_at_all(trained, tmp_path, names):
    assert "nowhere" in line_of(trained, *names, dataset_dir="nowhere")
    assert str(tmp_path) in line_of(trained, *names, dataset_dir=str(tmp_path))
    assert "dataset_dir" in line_of(trained, *names, dataset_dir="")


@pytest.mark.parametrize("names", [("train",), ("train", "evaluate"), ("inference",)])
def test_misspelt_settings(trained, names):
    assert "did you mean --dataset_dir" in line_of(trained, *names, dataset_dirr="somewhere")
    assert "no such setting" in line_of(trained, *names, sth_else=1)


def test_missing_damaged_and_foreign_checkpoints(trained, tmp_path):
    path = tmp_path / "model.pt"
    assert "no such checkpoint" in line_of(trained, "inference", ckpt_path=str(path))
    path.write_bytes((trained.out / "models" / "model.pt").read_bytes()[:1000])
    assert "not a readable checkpoint" in line_of(trained, "inference", ckpt_path=str(path))
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    assert "weights of another network" in line_of(trained, "inference", ckpt_path=str(path))
    assert "no such checkpoint" in line_of(trained, "train", "resume", ckpt_dir=str(tmp_path))


def test_an_output_folder_that_cannot_be_written(trained, tmp_path):
    (tmp_path / "file").write_text("in the way")
    blocked = str(tmp_path / "file" / "below")
    assert "choose another output folder" in line_of(trained, "inference", output_dir=blocked)
    assert "choose another output folder" in line_of(trained, "train", output_dir=blocked)


def files_of(case):
    """The case's sequences as paths (a path, or a path and a channel)."""
    keys = [key for key in case if key not in ("case", "patient", "label", "brain")]
    return {key: case[key] if isinstance(case[key], str) else case[key][0] for key in keys}


def first_case(bundle):
    return bundle.workflow("inference").parser.get_parsed_content("datalist")[0]


def copied(source, target, change):
    """Copy an image with changed values (and affine)."""
    image = nibabel.load(source)
    values, affine = change(np.asarray(image.dataobj).astype(np.float32), image.affine.copy())
    nibabel.save(nibabel.Nifti1Image(values, affine), target)
    return str(target)


def stray_nan(values, affine):
    values[tuple(size // 2 for size in values.shape)] = np.nan
    return values, affine


def test_one_bad_case_among_many(trained, tmp_path):
    """Truncated, not an image, stray NaN, gone, wrong channel count: all named; the good case is done."""
    good = first_case(trained)
    key, source = next(iter(files_of(good).items()))
    truncated, text = tmp_path / "truncated.nii.gz", tmp_path / "text.nii.gz"
    with open(source, "rb") as whole:
        truncated.write_bytes(whole.read()[:2000])
    text.write_text("no image")
    nan = copied(source, tmp_path / "nan.nii.gz", stray_nan)
    channels = copied(source, tmp_path / "channels.nii.gz", lambda v, a: (np.stack([v] * 7, axis=-1), a))
    bad = {"truncated": truncated, "text": text, "nan": nan, "gone": tmp_path / "gone.nii.gz", "channels": channels}
    cases = [{**good, "case": name, key: str(path)} for name, path in bad.items()]
    cases.insert(2, {**good, "case": "good"})
    cases.append({"case": "without any sequence"})
    line = line_of(trained, "inference", datalist=cases, output_dir=str(tmp_path / "out"))
    assert line.startswith("1 of 7 cases done; not done: ")
    assert all(str(path) in line for path in bad.values())
    assert "without any sequence" in line
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good"]


def label_case(bundle):
    return bundle.workflow("train").parser.get_parsed_content("cases")


@pytest.mark.parametrize("fault", ["unknown value", "another shape", "another place"])
def test_labels_that_do_not_fit(trained, tmp_path, fault):
    def change(values, affine):
        if fault == "unknown value":
            values[0, 0, 0] = 77
        elif fault == "another shape":
            values = values[:-3]
        else:
            affine[:3, 3] += 20
        return values, affine

    cases = label_case(trained)
    for number, case in enumerate(cases):
        case["label"] = copied(case["label"], tmp_path / f"{number}_label.nii.gz", change)
    line = line_of(trained, "train", cases=cases, output_dir=str(tmp_path), ckpt_dir=str(tmp_path))
    assert "_label.nii.gz" in line
    if fault == "unknown value":
        assert "77" in line


def test_a_worker_process_that_dies(trained, tmp_path, monkeypatch):
    import os

    from shared.data import EpochDataset

    monkeypatch.setattr(EpochDataset, "_transform", lambda self, index: os._exit(1))
    line = line_of(trained, "train", num_workers=1, output_dir=str(tmp_path), ckpt_dir=str(tmp_path))
    assert "a data loading process was ended" in line


def test_library_code_raises_and_does_not_exit(trained):
    with pytest.raises(RuntimeError) as caught:
        trained.run("inference", dataset_dir="nowhere")
    assert isinstance(caught.value, Exception)
    assert not isinstance(caught.value, SystemExit)
    cause = caught.value
    while cause is not None and not isinstance(cause, InputError):
        cause = cause.__cause__
    assert isinstance(cause, InputError)
