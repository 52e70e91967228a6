"""Train, evaluate, infer: what a run leaves, for every bundle that is there."""

import csv
import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from bundle_cases import inputs_of, segmenter_of
from PIL import Image
from tiny_bundle import tried_on

PICTURES = (".bmp", ".png", ".tif", ".tiff", ".jpg", ".jpeg")


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


@tried_on("vnet")
def test_label_maps_are_written_in_the_numbers_of_the_data_set(trained, case, tmp_path, no_drawing):
    trained.run("inference", datalist=[case], output_convention="brats2021", output_dir=str(tmp_path))
    name, segmenter = case["case"], segmenter_of(trained)
    written = nibabel.load(tmp_path / name / f"{name}_seg.nii.gz").get_fdata()
    label = segmenter(**inputs_of(case, segmenter)).label[0].numpy()
    assert label.any()
    np.testing.assert_array_equal(written, np.array([0, 1, 2, 4])[label])
    record = json.loads((tmp_path / name / f"{name}.json").read_text())
    assert [part["value"] for part in record["classes"]] == [1, 2, 4]


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


def test_inference_sees_what_validation_sees(trained):
    training, inference = trained.workflow("train").parser, trained.workflow("inference").parser
    (case, *_) = training.get_parsed_content("validate::dataset::data")
    validated = training.get_parsed_content("validate::preprocessing")(dict(case))["image"]
    inferred = inference.get_parsed_content("preprocessing")(dict(case))["image"]
    assert torch.equal(validated.as_tensor().nan_to_num(-9), inferred.as_tensor().nan_to_num(-9))
    torch.testing.assert_close(validated.affine, inferred.affine)
