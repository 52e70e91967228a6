"""The record of a segmented case."""

import json
from datetime import UTC, datetime

import monai
import nibabel
import numpy as np
import pytest
import torch
from brain_case import AFFINE, draw_nothing, saver, segmented_head

from shared.transforms import SaveImageCased


@pytest.fixture
def case(tmp_path):
    return segmented_head(tmp_path)


@pytest.fixture
def no_drawing(monkeypatch):
    draw_nothing(monkeypatch)


def test_the_record_holds_volumes_modalities_files_and_versions(case, tmp_path, no_drawing):
    head, data = case
    saver(tmp_path)(data)
    record = json.loads((tmp_path / "out/P1/P1.json").read_text())
    written = datetime.fromisoformat(record.pop("written_utc"))
    assert written.tzinfo is not None
    assert 0 <= (datetime.now(UTC) - written).total_seconds() < 60
    assert 0 <= record.pop("seconds_since_reading_began") < 60
    bright = head > head[head > 0].mean()
    uncertainty = nibabel.load(tmp_path / "out/P1/P1_uncertainty.nii.gz").get_fdata()
    assert record.pop("mean_uncertainty_where_segmented") == pytest.approx(uncertainty[bright].mean(), abs=1e-5)
    volumes = [entry.pop("volume_ml") for entry in record["classes"]]
    assert volumes == pytest.approx([0, 0, bright.sum() * abs(np.linalg.det(AFFINE)) / 1000], abs=1e-3)
    assert record == {
        "case": "P1",
        "notice": "For research use only. Not for diagnosis.",
        "inputs": {"flair": str(tmp_path / "P1_flair.nii.gz")},
        "modalities_found": ["flair"],
        "modalities_absent": ["t1ce"],
        "classes": [
            {"value": 1, "name": "necrosis"},
            {"value": 2, "name": "oedema"},
            {"value": 3, "name": "enhancing"},
        ],
        "outputs": {
            "segmentation": "P1_seg.nii.gz",
            "uncertainty": "P1_uncertainty.nii.gz",
            "overlay": "P1_overlay.png",
        },
        "bundle": {"name": "Test bundle", "version": "0.1.0"},
        "weights": None,
        "software": {"monai": monai.__version__, "torch": torch.__version__},
    }
    assert {path.name for path in (tmp_path / "out/P1").iterdir()} == {*record["outputs"].values(), "P1.json"}


def test_a_case_without_segmentation_or_notes_has_a_record_too(case, tmp_path, no_drawing):
    data = dict(case[1])
    data["pred"] = data["pred"] * 0
    del data["inputs"]
    saver(tmp_path)(data)
    record = json.loads((tmp_path / "out/P1/P1.json").read_text())
    assert record["mean_uncertainty_where_segmented"] is None
    assert record["seconds_since_reading_began"] is None
    assert record["inputs"] == {"image": str(tmp_path / "P1_flair.nii.gz")}


def test_a_failure_leaves_no_record_not_even_an_older_one(case, tmp_path, no_drawing, monkeypatch):
    save = saver(tmp_path)
    save(case[1])

    def full_disk(*args, **options):
        raise OSError("No space left on device")

    monkeypatch.setitem(SaveImageCased.__call__.__globals__, "draw_overlay", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save(case[1])
    names = {path.name for path in (tmp_path / "out/P1").iterdir()}
    assert names == {"P1_seg.nii.gz", "P1_uncertainty.nii.gz", "P1_overlay.png"}
