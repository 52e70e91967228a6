"""A segmented picture is saved as maps, figure and record."""

import json
from datetime import UTC, datetime

import monai
import numpy as np
import pytest
import torch
from picture_case import REGIONS, read, record_in, saver, segmented_picture
from PIL import Image, TiffTags

from shared.transforms import SavePictureCased, draw_picture_overlay


@pytest.fixture
def case():
    return segmented_picture()


def test_maps_hold_the_values_as_they_are(case, tmp_path):
    saver(tmp_path)(case)
    regions, info = read(tmp_path / "out/P1/P1_seg.png")
    assert regions.dtype == np.uint8
    np.testing.assert_array_equal(regions, case["pred"][0])
    objects, _ = read(tmp_path / "out/P1/P1_instances.png")
    assert objects.dtype == np.uint16
    np.testing.assert_array_equal(objects, case["pred_instances"][0])
    uncertainty, tiff_info = read(tmp_path / "out/P1/P1_uncertainty.tif")
    assert uncertainty.dtype == np.float32
    np.testing.assert_array_equal(uncertainty, case["uncertainty"][0])
    for resolution in (info["dpi"], tiff_info["dpi"]):  # 25400 um are an inch
        assert resolution == pytest.approx((50800, 50800), rel=1e-4)


def test_the_record_holds_areas_classes_files_and_versions(case, tmp_path):
    """A pixel is 0.25 um2. Of 80 pixels 63 are stroma, 15 epithelium and 2 lumen.

    Uncertainty where segmented: 3 rows of 0.1 to 0.4 and one of 0.3 to 0.7, 5.5 over 17 pixels.
    """
    returned = saver(tmp_path)(case)
    assert returned.keys() == case.keys()
    record = record_in(tmp_path)
    written = datetime.fromisoformat(record.pop("written_utc"))
    assert 0 <= (datetime.now(UTC) - written).total_seconds() < 60
    assert 0 <= record.pop("seconds_since_reading_began") < 60
    assert record.pop("mean_uncertainty_where_segmented") == pytest.approx(5.5 / 17, abs=1e-6)
    assert record == {
        "case": "P1",
        "notice": "For research use only. Not for diagnosis.",
        "inputs": {"image": "slides/P1.bmp"},
        "pixel_size_um": 0.5,
        "size_px": [8, 10],
        "class": "malignant",
        "class_probabilities": {"benign": 0.25, "malignant": 0.75},
        "regions": [
            {"value": 0, "name": "stroma", "area_um2": 15.75, "share": 0.7875},
            {"value": 1, "name": "epithelium", "area_um2": 3.75, "share": 0.1875},
            {"value": 2, "name": "lumen", "area_um2": 0.5, "share": 0.025},
        ],
        "objects": {"number": 2, "area_um2": {"1": 3.0, "7": 1.25}},
        "outputs": {
            "segmentation": "P1_seg.png",
            "instances": "P1_instances.png",
            "uncertainty": "P1_uncertainty.tif",
            "overlay": "P1_overlay.png",
        },
        "bundle": {"name": "Test bundle", "version": "0.1.0"},
        "weights": None,
        "software": {"monai": monai.__version__, "torch": torch.__version__},
    }
    assert {path.name for path in (tmp_path / "out/P1").iterdir()} == {*record["outputs"].values(), "P1.json"}


def test_areas_of_a_dicom_picture_are_in_mm2_where_its_pixels_have_a_size(case, tmp_path):
    """The lower half has no size: 5 pixels of epithelium are there, and 32 of stroma but not one of lumen."""
    dicom = {"mm_per_pixel": [0.5, 0.2], "regions": [{"rows": [4, 7], "columns": [0, 9], "mm_per_pixel": None}]}
    saver(tmp_path, pixel_size_um=None)(case | {"dicom": json.dumps(dicom)})
    regions = record_in(tmp_path)["regions"]
    assert [(region["area_px"], region["area_mm2"]) for region in regions] == [(63, None), (15, None), (2, 0.2)]


def test_disagreement_of_an_ensemble_is_in_a_file_of_its_own_and_in_the_record(case, tmp_path):
    """Twice the uncertainty, whose mean is 5.5 / 17 where something is segmented."""
    values = 2 * case["uncertainty"]
    saver(tmp_path)(case | {"disagreement": values})
    np.testing.assert_array_equal(read(tmp_path / "out/P1/P1_disagreement.tif")[0], values[0])
    record = record_in(tmp_path)
    assert record["outputs"]["disagreement"] == "P1_disagreement.tif"
    assert record["mean_disagreement_where_segmented"] == pytest.approx(11 / 17, abs=1e-6)


def test_without_a_pixel_size_areas_count_pixels(case, tmp_path):
    """No file claims a resolution, and the picture has no scale bar."""
    saver(tmp_path, pixel_size_um=None)(case)
    record = record_in(tmp_path)
    assert record["pixel_size_um"] is None
    assert [region["area_px"] for region in record["regions"]] == [63, 15, 2]
    assert record["objects"] == {"number": 2, "area_px": {"1": 12, "7": 5}}
    assert "um2" not in json.dumps(record)
    assert "dpi" not in read(tmp_path / "out/P1/P1_seg.png")[1]
    with Image.open(tmp_path / "out/P1/P1_uncertainty.tif") as uncertainty:
        assert not {TiffTags.lookup(tag).name for tag in uncertainty.tag_v2} & {"XResolution", "YResolution"}
    draw_picture_overlay(
        case["image"],
        case["pred"],
        tmp_path / "expected.png",
        region_names=REGIONS,
        pixel_size_um=None,
        uncertainty=case["uncertainty"],
        instances=case["pred_instances"],
        title="P1: malignant (0.75)",
    )
    assert (tmp_path / "out/P1/P1_overlay.png").read_bytes() == (tmp_path / "expected.png").read_bytes()


@pytest.mark.parametrize(
    ("ground_class", "segmented", "sentence"),
    [
        ("malignant", True, "class malignant, but a lesion is segmented"),
        ("benign", False, "class malignant, but nothing is segmented"),
        ("normal", False, "class malignant, but nothing is segmented"),  # no class without a lesion
        ("benign", True, None),
        ("malignant", False, None),
    ],
)
def test_contradictions_are_in_record_and_title(case, tmp_path, monkeypatch, ground_class, segmented, sentence):
    titles = []
    monkeypatch.setitem(
        SavePictureCased.__call__.__globals__,
        "draw_picture_overlay",
        lambda image, regions, path, title, **options: titles.append(title),
    )
    saver(tmp_path, ground_class=ground_class)(case | {"pred": segmented * case["pred"]})
    assert record_in(tmp_path)["contradiction"] == sentence
    assert titles == ["P1: malignant (0.75)" + (sentence or "").removeprefix("class malignant")]


@pytest.mark.parametrize(("most", "name", "kind"), [(65535, "P1_instances.png", np.uint16), (65536, None, np.int32)])
def test_more_objects_than_16_bits_hold_are_stored_with_32(case, tmp_path, most, name, kind):
    case["pred_instances"][case["pred_instances"] == 7] = most
    saver(tmp_path)(case)
    stored, _ = read(tmp_path / "out/P1" / (name or "P1_instances.tif"))
    assert stored.dtype == kind
    np.testing.assert_array_equal(stored, case["pred_instances"][0])
    assert record_in(tmp_path)["outputs"]["instances"] == (name or "P1_instances.tif")


def test_a_picture_without_segmentation_or_notes_has_a_record_too(case, tmp_path):
    del case["inputs"]
    saver(tmp_path)(case | {"pred": 0 * case["pred"], "pred_instances": 0 * case["pred_instances"]})
    record = record_in(tmp_path)
    assert record["mean_uncertainty_where_segmented"] is None
    assert record["objects"] == {"number": 0, "area_um2": {}}
    assert [region["share"] for region in record["regions"]] == [1, 0, 0]
    assert record["inputs"] == {"image": "as/read.bmp"}


def test_picture_shows_the_truth_where_there_is_one(case, tmp_path):
    truth = {"label": case["pred"].flip(1), "instances": case["pred_instances"].flip(1)}
    saver(tmp_path)(case | truth)
    draw_picture_overlay(
        case["image"],
        case["pred"],
        tmp_path / "expected.png",
        region_names=REGIONS,
        pixel_size_um=0.5,
        uncertainty=case["uncertainty"],
        instances=case["pred_instances"],
        reference=truth["label"],
        reference_instances=truth["instances"],
        title="P1: malignant (0.75)",
    )
    assert (tmp_path / "out/P1/P1_overlay.png").read_bytes() == (tmp_path / "expected.png").read_bytes()
