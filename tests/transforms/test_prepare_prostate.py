"""From the files of a prostate MRI to a network's input and back, as the bundle's configs do it."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd

from shared.data import EpochDataset, find_mri_cases
from shared.errors import InputError
from shared.phantoms import paint_prostate_phantoms
from shared.transforms import LoadImageModalitiesd, PrepareProstated
from shared.transforms.read_volume import VolumeReader

BOTH = ["t2", "adc"]
SPACING = (2.0, 2.0, 4.0)


@pytest.fixture(scope="module")
def separate(tmp_path_factory):
    """T2 and ADC on two grids, zones numbered as in Prostate158."""
    folder = tmp_path_factory.mktemp("prostate158")
    paint_prostate_phantoms(folder, num_cases=2, size=(48, 44, 12), spacing_mm=(2.5, 2.5, 4.5), layout="prostate158")
    return find_mri_cases(folder, BOTH, "prostate158", needs_label=True)


def prepare(**options):
    return PrepareProstated(BOTH, SPACING, resample=True, **options)


def dice(one, other):
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_a_prediction_returns_to_the_grid_of_the_file(separate):
    transform = Compose([prepare(crop_mm=(90, 80), layout="prostate158", resample_label=True)])
    data = transform(separate[0])
    assert set(data) == {"case", "patient", "image", "label"}
    assert data["image"].shape[:3] == (2, 45, 40)
    assert data["image"].shape[1:] == data["label"].shape[1:]
    assert data["label"].dtype == torch.int8
    data["pred"] = data["label"].clone()
    inverted = Invertd("pred", transform, orig_keys="image")(data)["pred"]
    original = nibabel.load(separate[0]["label"])
    assert inverted.shape[1:] == original.shape
    np.testing.assert_allclose(inverted.affine, original.affine, atol=1e-5)
    expected = np.array([0, 2, 1])[np.asarray(original.dataobj)]  # Prostate158: 1 transition, 2 peripheral zone
    for klass in (1, 2):
        assert dice(inverted[0].numpy() == klass, expected == klass) > 0.85


def test_an_adc_of_other_pixels_reaches_the_place_of_its_tissue(separate):
    """In world coordinates: diffusion is free in the gland, and not in the fat around it."""
    data = prepare(layout="prostate158", resample_label=True)(separate[1])
    label, adc = data["label"][0], data["image"][1]
    assert adc[label > 0].mean() - adc[label == 0].mean() > 0.7
    shifted = adc.roll(12, dims=0)  # 24 mm
    assert adc[label > 0].mean() - shifted[label > 0].mean() > 0.3


@pytest.mark.parametrize("present", [["t2"], ["adc"]])
def test_an_absent_modality_is_nan_from_file_to_network_and_back(separate, present):
    item = {key: value for key, value in separate[0].items() if key not in BOTH or key in present}
    transform = Compose([prepare(crop_mm=(90, 80))])
    data = transform(item)
    assert [not bool(channel.isnan().any()) for channel in data["image"]] == [name in present for name in BOTH]
    back = Invertd("image", transform, nearest_interp=False)(data)["image"]
    assert back.shape[1:] == nibabel.load(separate[0][present[0]]).shape
    assert back[BOTH.index(present[0])].isfinite().all()


def test_a_wider_field_of_view_does_not_change_the_values_in_the_middle(separate, tmp_path):
    wide = nibabel.load(separate[0]["t2"])
    narrow = wide.slicer[4:-4, 4:-4]  # 10 mm less on all sides, a whole number of new voxels
    nibabel.save(narrow, tmp_path / "t2.nii.gz")
    files = [{"t2": separate[0]["t2"]}, {"t2": str(tmp_path / "t2.nii.gz")}]
    images = [prepare(crop_mm=(60, 60))(file)["image"][0] for file in files]
    torch.testing.assert_close(images[0].as_tensor(), images[1].as_tensor(), atol=1e-3, rtol=0)
    whole = [prepare()(file)["image"][0] for file in files]
    assert (whole[0][5:-5, 5:-5] - whole[1]).abs().max() > 0.05


def test_inference_sees_what_validation_sees_and_the_label_stays_on_its_grid(separate):
    validated = prepare(crop_mm=(90, 80), layout="prostate158")(separate[0])
    assert validated["label"].shape[1:] == nibabel.load(separate[0]["label"]).shape
    inferred = prepare(crop_mm=(90, 80))(separate[0])
    assert inferred["label"] == separate[0]["label"]
    torch.testing.assert_close(validated["image"].as_tensor(), inferred["image"].as_tensor())


def test_a_wrong_convention_is_refused_by_name_and_by_anatomy(separate, tmp_path):
    told = "in front of its transition zone; the numbers may be the other way round: give --label_convention"
    with pytest.raises(InputError, match=told):
        prepare(label_convention="msd")(separate[0])
    with pytest.raises(
        Exception, match=r"does not fit the label numbers of layout msd; .*prostate158 \(1 central gland"
    ):
        prepare(layout="msd", cases=separate)


@pytest.mark.parametrize("crop_mm", [(120,), (120, 0), (1, 2, 3), ("a", "b")])
def test_crop_needs_two_lengths(crop_mm):
    with pytest.raises(ValueError, match="crop_mm: give two lengths"):
        prepare(crop_mm=crop_mm)


def test_files_are_read_once_though_epochs_go_on(separate, monkeypatch):
    reads = []
    load = VolumeReader.__call__
    monkeypatch.setattr(VolumeReader, "__call__", lambda self, path: reads.append(path) or load(self, path))
    dataset = EpochDataset(separate, Compose([prepare()]), seed=0)
    for dataset.epoch in (1, 2):
        assert len([dataset[index] for index in range(2)]) == 2
    assert len(reads) == 4


@pytest.fixture
def real_data():
    if "SEGMENTATION_DATA" not in os.environ:
        pytest.skip("SEGMENTATION_DATA is not set: no real data here")
    return Path(os.environ["SEGMENTATION_DATA"])


def real_cases(folder):
    patterns = {"t2": "{case}/t2.*", "adc": "{case}/adc.*", "label": "{case}/zones.nii.gz"}
    return {item["case"]: item for item in find_mri_cases(folder / "prostate_t2_adc", BOTH, patterns, needs_label=True)}


@pytest.mark.parametrize("case", ["ProstateX-0000", "PICAI-10574"])
def test_real_t2_and_adc_on_several_grids(real_data, case):
    """T2 and ADC of other grids, and zones on a third one; the peripheral zone is brighter in both."""
    item = real_cases(real_data)[case]
    options = {"crop_mm": (120, 120), "label_convention": "msd", "resample_label": True}
    data = PrepareProstated(BOTH, (0.625, 0.625, 3.0), resample=True, **options)(item)
    assert data["image"].shape[:3] == (2, 192, 192)
    zones = nibabel.load(item["label"])
    assert data["image"].shape[3] == zones.shape[2]
    label, voxel_ml = data["label"][0], 0.625 * 0.625 * 3 / 1000
    read = np.asarray(zones.dataobj)
    for klass in (1, 2):
        expected = (read == klass).sum() * np.prod(zones.header.get_zooms()) / 1000
        assert float((label == klass).sum()) * voxel_ml == pytest.approx(expected, rel=0.02)
    for channel in data["image"]:
        assert channel[label == 1].mean() > channel[label == 2].mean() + 0.2
    grid = nibabel.affines.apply_affine(zones.affine, np.argwhere(read > 0)).mean(axis=0)
    here = nibabel.affines.apply_affine(np.asarray(data["label"].affine), np.argwhere(label.numpy() > 0)).mean(axis=0)
    np.testing.assert_allclose(here, grid, atol=0.5)


def test_real_prostate158_has_no_adc_and_its_own_numbers(real_data):
    items = find_mri_cases(real_data / "prostate158", BOTH, "prostate158", needs_label=True)
    assert [item["case"] for item in items] == ["001", "020"]
    data = PrepareProstated(BOTH, (0.625, 0.625, 3.0), layout="prostate158", resample_label=True)(items[0])
    label = data["label"][0]
    assert data["image"][1].isnan().all()
    assert data["image"][0][label == 1].mean() > data["image"][0][label == 2].mean() + 0.5
    raw = nibabel.load(items[0]["label"])
    voxel_ml = [np.prod(grid) / 1000 for grid in (raw.header.get_zooms(), (0.625, 0.625, 3.0))]
    peripheral = (np.asarray(raw.dataobj) == 2).sum() * voxel_ml[0]
    # slices of 3.15 mm, nearest neighbour
    assert float((label == 1).sum()) * voxel_ml[1] == pytest.approx(peripheral, rel=0.06)


def test_real_task05_labels_have_the_peripheral_zone_behind(real_data):
    """In all 26 maps, of which two hold one zone only, `CheckZonesd` finds nothing to refuse."""
    load = LoadImageModalitiesd(["t2"], extra_keys=["label"])
    maps = sorted((real_data / "prostate_zone_labels").rglob("prostate_*.nii.gz"))
    assert len(maps) == 26
    check = PrepareProstated(["t2"], SPACING, label_convention="msd").steps.transforms
    (check,) = [step for step in check if type(step).__name__ == "CheckZonesd"]
    for path in maps:
        label = load({"label": str(path)})["label"]
        check({"label": MetaTensor(label.as_tensor(), affine=label.affine)})
