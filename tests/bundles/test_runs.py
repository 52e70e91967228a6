"""Train, evaluate, infer, resume: what a run leaves, for every bundle that is there."""

import csv
import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from forked_python import Ended, clean_environment
from ignite.engine import Events
from PIL import Image
from tiny_bundle import tried_on

PICTURES = (".bmp", ".png", ".tif", ".tiff", ".jpg", ".jpeg")


class Stop(Exception):
    """Stands for a kill signal."""


def test_bundles_were_found():
    assert list(Path("bundles").glob("*/configs/tiny.json"))


def test_training_leaves_weights_checkpoint_curves_events_and_its_configuration(trained):
    weights = torch.load(trained.out / "models" / "model.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in weights.values())
    left = {path.name for path in trained.out.iterdir()} | {path.name for path in (trained.out / "models").iterdir()}
    assert {"model_last.pt", "checkpoint.pt", "curves.csv", "curves.png", "train_executed.json"} <= left
    assert any(name.startswith("events.out.tfevents") for name in left)
    executed = json.loads((trained.out / "train_executed.json").read_text())
    with (trained.out / "curves.csv").open() as file:
        assert len(list(csv.DictReader(file))) == executed["max_epochs"]


def test_evaluation_leaves_one_table_with_a_row_per_case(trained):
    workflow = trained.run("train", "evaluate")
    cases = {case["case"] for case in workflow.parser.get_parsed_content("splits")["test"]}
    assert cases
    with (trained.out / "evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert cases <= {row["case"] for row in rows}
    assert (trained.out / "evaluation.md").exists()
    assert (trained.out / "evaluation.png").exists()


@tried_on("vnet", "prostate")
def test_evaluation_scores_label_maps_in_files_without_a_network(painted, tmp_path, monkeypatch):
    """Of the references themselves all is right; they are stored in other numbers."""
    cases = painted.workflow("train", "evaluate").parser.get_parsed_content("splits")["test"]
    for case in cases:
        label = nibabel.load(case["label"])
        values = np.asarray(label.dataobj)
        values = np.where(values > 0, values + 10, 0).astype(np.uint8)
        nibabel.save(nibabel.Nifti1Image(values, label.affine), tmp_path / f"{case['case']}.nii.gz")
    own = {0: 0, 1: 1, 2: 2} if "prostate" in painted.root.name else {0: 0, 1: 1, 2: 2, 4: 3}
    options = {"predictions": str(tmp_path), "surface_tolerance_mm": 1.0, "output_dir": str(tmp_path / "out")}
    options |= {"sensitivity_precision": True}
    options["prediction_convention"] = {value + 10 * (value > 0): klass for value, klass in own.items()}
    options |= {} if "prostate" in painted.root.name else {"lesion_wise": True, "min_et_volume_mm3": 0.0}
    monkeypatch.setattr("monai.engines.SupervisedEvaluator._iteration", None)  # what calls the network
    painted.run("train", "evaluate", **options, ckpt_dir=str(tmp_path / "no_weights"))
    with (tmp_path / "out" / "evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))[: len(cases)]
    assert rows
    for row in rows:
        perfect = {name: float(value) for name, value in row.items() if "dice_" in name or "f1_" in name}
        assert len(perfect) in (6, 28)
        assert set(perfect.values()) == {1.0}
        found = {name: row[name] for name in row if name.startswith(("sensitivity_", "precision_"))}
        assert len(found) in (6, 8)
        assert set(found.values()) <= {"1.0000", ""}
        assert "1.0000" in found.values()
        assert row["expected_calibration_error"] == ""


@tried_on("breast", "colon")
def test_evaluation_scores_pictures_in_files_without_a_network(painted, tmp_path, monkeypatch):
    """Of the references themselves all is right."""
    cases = painted.workflow("train", "evaluate").parser.get_parsed_content("splits")["test"]
    for case in cases:
        if "instances" in case:
            shutil.copy(case["instances"], tmp_path / f"{case['case']}{Path(case['instances']).suffix}")
            continue
        masks = [np.asarray(Image.open(mask).convert("L")) > 127 for mask in case["mask"]]
        empty = np.zeros(Image.open(case["image"]).size[::-1], dtype=bool)
        Image.fromarray(np.logical_or.reduce([empty, *masks])).save(tmp_path / f"{case['case']}_mask.png")
    monkeypatch.setattr("monai.engines.SupervisedEvaluator._iteration", None)  # what calls the network
    options = {"predictions": str(tmp_path), "output_dir": str(tmp_path / "out")}
    painted.run("train", "evaluate", **options, ckpt_dir=str(tmp_path / "no_weights"))
    with (tmp_path / "out" / "evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))[: len(cases)]
    assert rows
    for row in rows:
        assert {row[name] for name in row if name in ("dice", "object_dice")} <= {"", "1.0000"}
        assert row["class_correct"] == ""


def test_training_and_evaluation_have_all_properties(trained):
    assert trained.workflow("train").check_properties() == []
    assert trained.workflow("train", "evaluate").check_properties() == []
    assert trained.workflow("inference").check_properties() == []


def test_inference_leaves_maps_on_the_inputs_grid_a_picture_and_a_record(trained, tmp_path):
    cases = trained.workflow("inference").parser.get_parsed_content("datalist")[:2]
    trained.run("inference", datalist=cases, output_dir=str(tmp_path))
    assert len(cases) == 2
    for case in cases:
        (record,) = tmp_path.glob(f"{case['case']}/*.json")
        assert json.loads(record.read_text())["case"] == case["case"]
        assert list(record.parent.glob("*_overlay.png"))
        if str(case.get("image", "")).endswith(PICTURES):
            for written in (f"{case['case']}_seg.png", f"{case['case']}_uncertainty.tif"):
                assert Image.open(record.parent / written).size == Image.open(case["image"]).size
            continue
        source = next(value for key, value in case.items() if key not in ("case", "patient", "label", "brain"))
        source = nibabel.load(source if isinstance(source, str) else source[0])
        for name in ("seg", "uncertainty"):
            (path,) = record.parent.glob(f"*_{name}.nii.gz")
            written = nibabel.load(path)
            np.testing.assert_allclose(written.affine, source.affine, atol=1e-4)
            assert written.shape[:3] == source.shape[:3]


@tried_on("expert_consistency")
def test_record_and_figure_show_the_experts(trained, tmp_path):
    case = max(trained.workflow("inference").parser.get_parsed_content("datalist"), key=len)
    trained.run("inference", datalist=[case], draw_experts=True, gate_scope="case", output_dir=str(tmp_path))
    (record,) = tmp_path.glob("*/*.json")
    assert (record.parent / f"{case['case']}_experts.png").is_file()
    record = json.loads(record.read_text())
    for values in record["experts"].values():
        assert list(values) == record["modalities_found"]
        assert all(0 <= value <= 1 for value in values.values())
    assert set(record["experts"]) == {"weights", "agreement", "agreement_in_region"}
    assert sum(record["experts"]["weights"].values()) == pytest.approx(1, abs=1e-3)


@tried_on("mmformer", "prostate", "colon")
def test_n_epochs_equal_k_and_n_minus_k_bit_for_bit(trained, tmp_path):
    workflow = trained.workflow("train", output_dir=str(tmp_path), ckpt_dir=str(tmp_path))
    workflow.trainer.add_event_handler(Events.EPOCH_STARTED(once=2), stop)
    with pytest.raises(RuntimeError, match="Failed to evaluate"):
        workflow.run()
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["epoch"] == 1
    trained.run("train", "resume", output_dir=str(tmp_path), ckpt_dir=str(tmp_path))
    expected = torch.load(trained.out / "models" / "checkpoint.pt", weights_only=True)
    resumed = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert resumed["epoch"] == expected["epoch"] == 2
    assert resumed["best_metric"] == expected["best_metric"]
    for name in ("network", "loss"):
        for key, value in expected["objects"][name].items():
            assert torch.equal(value, resumed["objects"][name][key]), (name, key)
    assert (tmp_path / "curves.csv").read_text() == (trained.out / "curves.csv").read_text()


def stop(engine):
    raise Stop


def test_inference_sees_what_validation_sees(trained):
    training, inference = trained.workflow("train").parser, trained.workflow("inference").parser
    (case, *_) = training.get_parsed_content("validate::dataset::data")
    validated = training.get_parsed_content("validate::preprocessing")(dict(case))["image"]
    inferred = inference.get_parsed_content("preprocessing")(dict(case))["image"]
    assert torch.equal(validated.as_tensor().nan_to_num(-9), inferred.as_tensor().nan_to_num(-9))
    torch.testing.assert_close(validated.affine, inferred.affine)


@tried_on("mmformer", "prostate", "breast", "colon")
def test_two_processes_train_and_end_cleanly(monai_bundle, trained, tmp_path):
    """Also with one handler more: no list of handlers is cut by position."""
    handlers = json.loads((trained.root / "configs" / "train.json").read_text())["train"]["handlers"]
    options = {"output_dir": tmp_path, "ckpt_dir": tmp_path, "max_epochs": 1}
    options["train::handlers"] = [{"_target_": "GarbageCollector"}, *handlers]
    ended = monai_bundle(trained.command("train", "multi_gpu_train", **options), processes=2)
    assert ended.status == 0, ended.errors[-3000:]
    assert ended.output.count("epoch 1/1") == 1, "progress is told once, by the first process"
    weights = torch.load(tmp_path / "model_last.pt", weights_only=True)
    expected = torch.load(trained.out / "models" / "model_last.pt", weights_only=True)
    assert {key: value.shape for key, value in weights.items()} == {k: v.shape for k, v in expected.items()}
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert saved["best_metric_epoch"] == 1


def torchrun(arguments):
    """Run `python -m monai.bundle` in two processes, as a person would."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
    options = {"env": {**clean_environment(), "PYTHONPATH": str(Path.cwd())}, "timeout": 600}
    ended = subprocess.run([*command, "monai.bundle", *arguments], capture_output=True, text=True, **options)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@tried_on("vnet")
@pytest.mark.parametrize("with_a_bad_case", [False, True], ids=["forked", "torchrun, one bad"])
def test_two_processes_infer_every_case_once_and_end_with_one_status(monai_bundle, trained, tmp_path, with_a_bad_case):
    """The bad case falls to the second process, and both tell of it."""
    cases = trained.workflow("inference").parser.get_parsed_content("datalist")[:3]
    done = [case["case"] for case in cases]
    if with_a_bad_case:
        cases[1] = {"case": "bad"}
        del done[1]
    run = torchrun if with_a_bad_case else partial(monai_bundle, processes=2)
    ended = run(trained.command("inference", "multi_gpu_inference", output_dir=tmp_path, datalist=cases))
    assert ended.status == int(with_a_bad_case), ended.errors[-3000:]
    assert ("Error: 2 of 3 cases done; not done: case bad: none of its" in ended.errors) == with_a_bad_case
    assert ended.errors.count("Traceback (most recent") == int(with_a_bad_case), "torchrun's own, no process's"
    assert sorted(re.findall(r"progress: case \d/\d: (.+?);", ended.output)) == done
    assert sorted(path.parent.name for path in tmp_path.glob("*/*.json")) == done
    with (tmp_path / "cohort.csv").open() as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert list(rows) == [case["case"] for case in cases]
    assert {name for name, row in rows.items() if row["status"] == "done" and float(row["seconds"]) > 0} == set(done)
    if with_a_bad_case:
        assert rows["bad"]["reason"].startswith("case bad: none of its")


TIMES = ("written_utc", "seconds_since_reading_began")


def results(folder):
    """Every file below a folder with its content, without the times in records and table."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name, content in found.items():
        if name.endswith(".json"):
            found[name] = {key: value for key, value in json.loads(content).items() if key not in TIMES}
        elif name.startswith("cohort."):
            separator = "," if name.endswith(".csv") else " | "
            rows = [line.split(separator) for line in content.decode().splitlines()]
            found[name] = [row[:2] + row[3:] for row in rows]
    return found


@tried_on("vnet")
def test_a_cohort_killed_twice_ends_with_the_results_of_an_unbroken_run(trained, tmp_path, forked_python):
    """First both of two processes are killed, then one."""
    cases = trained.workflow("inference").parser.get_parsed_content("datalist")[:5]
    trained.run("inference", output_dir=str(tmp_path / "whole"), datalist=cases)
    settings = {**trained.settings("inference"), "skip_finished": True}
    settings |= {"datalist": cases, "output_dir": str(tmp_path / "killed")}
    files = trained.tiny_files("inference", "multi_gpu_inference")
    arguments = ["-m", "killed_inference", json.dumps([files, settings, len(cases), 0])]
    ended = forked_python.run(arguments, on_path=str(Path(__file__).parent), seconds=300)
    assert ended.status == 0, ended.errors[-3000:]
    assert ended.output.count(" of the processes were killed") == 2
    expected = results(tmp_path / "whole")
    assert len(expected) == 4 * len(cases) + 2
    assert results(tmp_path / "killed") == expected
