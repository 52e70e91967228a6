"""A segmented case is saved as maps and a figure on the voxels of its files."""

import json
import shutil

import nibabel
import numpy as np
import pytest
import torch
from brain_case import MODALITIES, draw_nothing, saver, segmented_head

from shared.transforms import ShownModalityd, draw_overlay


@pytest.fixture
def case(tmp_path):
    return segmented_head(tmp_path)


@pytest.fixture
def no_drawing(monkeypatch):
    draw_nothing(monkeypatch)


def test_disagreement_of_an_ensemble_is_in_a_file_of_its_own_and_in_the_record(case, tmp_path, no_drawing):
    _, data = case
    values = torch.rand(data["pred"].shape, generator=torch.Generator().manual_seed(0))
    saver(tmp_path)({**data, "disagreement": values})
    written = nibabel.load(tmp_path / "out/P1/P1_disagreement.nii.gz")
    assert written.get_data_dtype() == np.float32
    np.testing.assert_array_equal(written.get_fdata(dtype=np.float32), values[0])
    record = json.loads((tmp_path / "out/P1/P1.json").read_text())
    assert record["outputs"]["disagreement"] == "P1_disagreement.nii.gz"
    mean = float(values[data["pred"].as_tensor() > 0].mean())
    assert record["mean_disagreement_where_segmented"] == pytest.approx(mean, abs=2e-6)


def test_label_map_and_uncertainty_lie_on_the_files_own_voxels(case, tmp_path, no_drawing):
    head, data = case
    saver(tmp_path)(data)
    expected = np.where(head > head[head > 0].mean(), 3, 0)
    segmentation = nibabel.load(tmp_path / "out/P1/P1_seg.nii.gz")
    np.testing.assert_array_equal(segmentation.get_fdata(), expected)
    assert segmentation.get_data_dtype() == np.uint8
    uncertainty = nibabel.load(tmp_path / "out/P1/P1_uncertainty.nii.gz")
    assert uncertainty.get_data_dtype() == np.float32
    spread = np.abs(head - head[head > 0].mean()) / head[head > 0].std()
    np.testing.assert_allclose(uncertainty.get_fdata()[head > 0], (1 / (1 + np.exp(2 * spread)))[head > 0], atol=1e-5)
    source = nibabel.load(tmp_path / "P1_flair.nii.gz").header
    for written in (segmentation.header, uncertainty.header):
        for form in ("sform", "qform"):
            ours, theirs = (getattr(header, f"get_{form}")(coded=True) for header in (written, source))
            assert ours[1] == theirs[1]
            np.testing.assert_array_equal(ours[0], theirs[0])


def test_all_but_the_record_is_the_same_byte_by_byte(case, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        saver(tmp_path / folder)(case[1])
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one/out").rglob("P1_*"))
    assert len(files) == 3
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_true_classes_go_into_the_picture(case, tmp_path):
    data = dict(case[1])
    saver(tmp_path)(data | {"label": None})
    without = (tmp_path / "out/P1/P1_overlay.png").read_bytes()
    saver(tmp_path)(data | {"label": data["pred"]})
    draw_overlay(
        data["image"],
        data["pred"],
        tmp_path / "expected.png",
        modalities=MODALITIES,
        class_names=["necrosis", "oedema", "enhancing"],
        uncertainty=data["uncertainty"],
        label=data["pred"],
        title="P1",
    )
    assert (tmp_path / "out/P1/P1_overlay.png").read_bytes() == (tmp_path / "expected.png").read_bytes() != without


@pytest.mark.parametrize("t1ce_is_there", [False, True])
def test_the_modality_that_figures_show_is_enough_for_all_files(case, tmp_path, t1ce_is_there):
    _, data = case
    if t1ce_is_there:
        data["image"][0] = data["image"][1].flip(0)
    saver(tmp_path)(data)
    first = ShownModalityd(MODALITIES)(data)
    assert first["found_modalities"] == ([0, 1] if t1ce_is_there else [1])
    assert torch.equal(first["image"].as_tensor(), data["image"][1:].as_tensor())
    shutil.move(tmp_path / "out", tmp_path / "whole")
    saver(tmp_path)(first)
    for file in ("P1_seg.nii.gz", "P1_uncertainty.nii.gz", "P1_overlay.png"):
        assert (tmp_path / "out/P1" / file).read_bytes() == (tmp_path / "whole/P1" / file).read_bytes()
    records = [json.loads((tmp_path / folder / "P1/P1.json").read_text()) for folder in ("out", "whole")]
    for key in ("modalities_found", "modalities_absent", "classes", "inputs", "mean_uncertainty_where_segmented"):
        assert records[0][key] == records[1][key]
