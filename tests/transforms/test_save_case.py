import json
import shutil
from datetime import UTC, datetime

import monai
import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, CropForegroundd, Invertd, Orientationd

from shared.errors import InputError
from shared.transforms import (
    LoadImageModalitiesd,
    NormalizeInBraind,
    NoteInputsd,
    SaveImageCased,
    SegmentOnGridd,
    ShownModalityd,
    StackModalitiesd,
    brain_of_normalized,
    draw_overlay,
)

MODALITIES = ["t1ce", "flair"]
AFFINE = np.array([[-0.9, 0.1, 0.2, 40.0], [0.1, -1.1, 0.1, 30.0], [0.05, 0.1, 5.0, -20.0], [0, 0, 0, 1]])
PREPROCESSING = Compose(
    [
        NoteInputsd(MODALITIES),
        LoadImageModalitiesd(MODALITIES),
        StackModalitiesd(MODALITIES),
        Orientationd("image", "RAS", labels=None),
        NormalizeInBraind(),
        CropForegroundd("image", "image", select_fn=brain_of_normalized),
    ]
)


@pytest.fixture
def case(tmp_path):
    """A head read from an oblique, anisotropic file; the prediction finds what is brighter than its mean."""
    head = np.zeros((30, 26, 12), np.float32)
    head[4:25, 3:24, 2:10] = 100 + 50 * np.random.default_rng(0).random((21, 21, 8))
    nibabel.save(nibabel.Nifti1Image(head, AFFINE), tmp_path / "P1_flair.nii.gz")
    data = PREPROCESSING({"case": "P1", "flair": str(tmp_path / "P1_flair.nii.gz")})
    bright = data["image"][1].as_tensor()
    logits = torch.stack([-bright, torch.full_like(bright, -99), torch.full_like(bright, -99), bright])
    data["pred"] = MetaTensor(logits, affine=data["image"].affine)
    return head, SegmentOnGridd()(Invertd("image", PREPROCESSING, nearest_interp=False)(data))


def saver(folder, **options):
    metadata = folder / "metadata.json"
    metadata.write_text(json.dumps({"name": "Test bundle", "version": "0.1.0"}))
    names = ["necrosis", "oedema", "enhancing"]
    return SaveImageCased(str(folder / "out"), MODALITIES, names, metadata_path=str(metadata), **options)


@pytest.fixture
def no_drawing(monkeypatch):
    """The picture is an empty file, which is there sooner."""
    monkeypatch.setitem(SaveImageCased.__call__.__globals__, "draw_overlay", lambda *data, **named: data[2].touch())


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


def test_record(case, tmp_path, no_drawing):
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


def test_all_but_the_record_is_the_same_byte_by_byte(case, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        saver(tmp_path / folder)(case[1])
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one/out").rglob("P1_*"))
    assert len(files) == 3
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_nothing_segmented_and_nothing_noted(case, tmp_path, no_drawing):
    data = dict(case[1])
    data["pred"] = data["pred"] * 0
    del data["inputs"]
    saver(tmp_path)(data)
    record = json.loads((tmp_path / "out/P1/P1.json").read_text())
    assert record["mean_uncertainty_where_segmented"] is None
    assert record["seconds_since_reading_began"] is None
    assert record["inputs"] == {"image": str(tmp_path / "P1_flair.nii.gz")}


def test_failure_leaves_no_record_not_even_an_older_one(case, tmp_path, no_drawing, monkeypatch):
    save = saver(tmp_path)
    save(case[1])

    def full_disk(*args, **options):
        raise OSError("No space left on device")

    monkeypatch.setitem(SaveImageCased.__call__.__globals__, "draw_overlay", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save(case[1])
    names = {path.name for path in (tmp_path / "out/P1").iterdir()}
    assert names == {"P1_seg.nii.gz", "P1_uncertainty.nii.gz", "P1_overlay.png"}


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


def test_output_folder_that_is_a_file(case, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        saver(tmp_path)(case[1])


@pytest.mark.parametrize("content", [None, "{", '{"name": "x"}', "[]"])
def test_rejects_missing_metadata(tmp_path, content):
    if content is not None:
        (tmp_path / "metadata.json").write_text(content)
    with pytest.raises(InputError, match=r"metadata.json, with name and version, is needed"):
        SaveImageCased(str(tmp_path), MODALITIES, ["tumour"], metadata_path=str(tmp_path / "metadata.json"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"case": "../P1"}, "expected a name without slashes"),
        ({"uncertainty": None}, r"no tensor under \['uncertainty'\]"),
        ({"image": torch.zeros(2, 3, 3, 3)}, r"grids differ \(pred \(30, 26, 12\), .* image \(3, 3, 3\)"),
        ({"image": torch.zeros(3, 30, 26, 12)}, "do not fit an image of 3 channels"),
        ({"pred": torch.full((1, 30, 26, 12), 4)}, "class 4 has no name"),
    ],
)
def test_rejects_what_does_not_fit(case, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        saver(tmp_path)({**case[1], **change})
    assert not (tmp_path / "out").exists()


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
