"""From files to a network's input and back, as the bundles' configs do it."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch
from monai.transforms import Compose, Flip, Identityd, Invertd, RandFlipd, SpatialCrop

from shared.data import EpochDataset, find_mri_cases
from shared.errors import InputError, find_input_error
from shared.networks.learned_image import position_in_brain
from shared.transforms import LoadImageModalitiesd, PrepareBraind, StackModalitiesd
from shared.transforms.read_volume import VolumeReader

ALL = ["t1", "t1ce", "t2", "flair"]


def chain(modalities=ALL, convention="brats2021", label=True, resample=False, pixdim=(1, 1, 1)):
    """Prepare as in training; without a label as in inference."""
    options = {"label_convention": convention, "resample_label": True} if label else {}
    return Compose([PrepareBraind(modalities, pixdim, resample=resample, **options)])


def dice(one, other):
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.mark.parametrize("pixdim", [(1, 1, 1), (0.7, 0.9, 1.3)])
def test_a_prediction_returns_to_an_oblique_anisotropic_flipped_grid(write_case, oblique, pixdim):
    item = write_case(modalities=["t2", "flair"], affine=oblique, shape=(40, 30, 24))
    transform = chain(pixdim=pixdim)
    data = transform(item)
    assert set(data) == {"case", "patient", "image", "label"}
    assert data["label"].dtype == torch.int8
    assert data["image"].shape[1:] == data["label"].shape[1:]
    assert [bool(channel.isnan().all()) for channel in data["image"]] == [True, True, False, False]
    assert not data["image"][2:].isnan().any()
    np.testing.assert_allclose(data["image"].pixdim, pixdim, atol=1e-4)

    data["pred"] = data["label"].clone()
    inverted = Invertd("pred", transform, orig_keys="image")(data)["pred"]
    original = nibabel.load(item["label"])
    assert inverted.shape == (1, 40, 30, 24)
    np.testing.assert_allclose(inverted.affine, original.affine, atol=1e-5)
    expected = np.array([0, 1, 2, 0, 3])[np.asarray(original.dataobj)]
    for klass in (1, 2, 3):
        assert dice(inverted[0].numpy() == klass, expected == klass) > 0.97


def test_the_image_lies_where_the_file_says(write_case, oblique):
    """The tumour's centre of mass in millimetres is the same before and after."""
    item = write_case(affine=oblique, shape=(40, 30, 24))
    label = chain()(item)["label"]
    original = nibabel.load(item["label"])
    centres = [
        affine[:3, :3] @ np.argwhere(mask).mean(0) + affine[:3, 3]
        for mask, affine in (
            (np.asarray(original.dataobj) == 4, original.affine),
            (label[0].numpy() == 3, np.asarray(label.affine)),
        )
    ]
    np.testing.assert_allclose(*centres, atol=0.3)


def test_a_crop_of_an_oblique_case_knows_its_place(write_case, oblique):
    """In mm from the middle of the case, along its own axes, also after the crop was flipped."""
    image = chain(pixdim=(2, 2, 2))(write_case(affine=oblique, shape=(40, 30, 24)))["image"]
    half = (np.array(image.shape[1:]) - 1) / 2
    crop = Compose([SpatialCrop(roi_start=(1, 2, 3), roi_end=(9, 8, 7)), Flip(0)])(image)
    expected = np.array([[-2, 0, 0, 2 * (8 - half[0])], [0, 2, 0, 2 * (2 - half[1])], [0, 0, 2, 2 * (3 - half[2])]])
    np.testing.assert_allclose(position_in_brain(crop[None])[0], expected, atol=1e-3)


def test_inference_sees_what_training_sees(write_case, oblique):
    item = write_case(affine=oblique)
    without = chain(label=False)(item)  # the label is there, but not read
    assert without["label"] == item["label"]
    torch.testing.assert_close(without["image"].as_tensor(), chain()(item)["image"].as_tensor())


def test_a_4d_file_gives_the_same_as_one_file_each(write_case, write_nifti, tmp_path, oblique):
    item = write_case(affine=oblique)
    four = np.stack([np.asarray(nibabel.load(item[name]).dataobj) for name in ALL], axis=-1)
    path = write_nifti(tmp_path / "four.nii.gz", four, oblique)
    expected = chain(label=False)(item)["image"]
    whole = chain(label=False)({"image": path})
    by_channel = chain(label=False)({name: [path, ALL.index(name)] for name in ALL})
    assert whole["case"] == "four"
    for data in (whole, by_channel):
        torch.testing.assert_close(data["image"].as_tensor(), expected.as_tensor())
        np.testing.assert_allclose(data["image"].affine, expected.affine)


def test_what_monai_label_and_monai_deploy_bring(write_case):
    item = write_case(modalities=["flair"], label=False)
    expected = chain(["flair"], label=False)(item)["image"]
    brought = chain(["flair"], label=False)({"image": item["flair"], "image_path": item["flair"], "model": "x"})
    torch.testing.assert_close(brought["image"].as_tensor(), expected.as_tensor())
    loaded = LoadImageModalitiesd("flair")(item)["flair"]
    handed = MetaTensor(loaded.as_tensor()[0], meta={**loaded.meta, "original_channel_dim": float("nan")})
    deployed = chain(["flair"], label=False)({"image": handed})
    torch.testing.assert_close(deployed["image"].as_tensor(), expected.as_tensor())
    assert set(deployed) == {"image", "brain"}


def test_cases_with_different_modalities_and_headers_form_a_batch(write_case):
    items = [write_case("a", modalities=["t1"]), write_case("b", modalities=ALL[1:])]
    (batch,) = DataLoader(Dataset(items, chain()), batch_size=2)
    assert batch["image"].shape[:2] == (2, 4)
    present = ~batch["image"].as_tensor().isnan().flatten(2).any(-1)
    assert present.tolist() == [[True, False, False, False], [False, True, True, True]]
    assert [item["case"] for item in decollate_batch(batch)] == ["a", "b"]


def test_validation_keeps_the_label_and_the_mask_on_the_files_grid(write_case):
    item = write_case(shape=(16, 14, 12))
    data = Compose([PrepareBraind(ALL, (6, 6, 6), layout="brats2021")])(item)
    assert data["image"].shape[1:] != (16, 14, 12)
    assert data["label"].shape == data["brain"].shape == (1, 16, 14, 12)
    files = np.stack([np.asarray(nibabel.load(item[name]).dataobj) for name in ALL])
    np.testing.assert_array_equal(data["brain"][0], (files != 0).any(axis=0))


def test_margin_is_left_around_the_brain(write_case):
    item = write_case()
    sizes = [PrepareBraind(ALL, (4, 4, 4), margin=margin)(item)["image"].shape[1:] for margin in (0, 1)]
    assert all(larger - smaller in (0, 1, 2) for smaller, larger in zip(*sizes))  # 0 at the edge of the file
    assert sizes[0] != sizes[1]


def test_files_are_read_once_though_epochs_go_on(write_case, monkeypatch):
    """A plain Compose inside of another counts as random, and nothing after it, or of it, is cached."""
    reads = []
    load = VolumeReader.__call__
    monkeypatch.setattr(VolumeReader, "__call__", lambda self, path: reads.append(path) or load(self, path))
    flip = RandFlipd("image", prob=0.5)
    items = [write_case("a", modalities=["t1"], label=False), write_case("b", modalities=["t1"], label=False)]
    dataset = EpochDataset(items, Compose([PrepareBraind("t1", (4, 4, 4)), Identityd("image"), flip]), seed=0)
    for dataset.epoch in (1, 2, 3):
        assert len([dataset[index] for index in range(2)]) == 2
    assert len(reads) == 2


def test_the_cause_of_a_refusal_is_found_through_the_chain(write_case, write_nifti):
    item = write_case()
    write_nifti(item["t2"], np.arange(125, dtype=np.float32).reshape(5, 5, 5))
    with pytest.raises(RuntimeError) as error:
        chain()(item)
    assert "not on one grid, shapes are 16 x 14 x 12 and 5 x 5 x 5" in str(find_input_error(error.value))


@pytest.fixture
def real_data():
    if "SEGMENTATION_DATA" not in os.environ:
        pytest.skip("SEGMENTATION_DATA is not set: no real data here")
    return Path(os.environ["SEGMENTATION_DATA"])


def test_a_case_of_2013(real_data):
    patterns = {
        "flair": "{case}/Flair_*.nii.gz",
        "t1ce": "{case}/T1c_*.nii.gz",
        "brain": "{case}/brainmask.nii.gz",
        "label": "{case}/OTMultiClass.nii.gz",
    }
    item = find_mri_cases(real_data / "brain_tumour_flair_t1c", ["flair", "t1ce"], patterns)[2]
    transform = chain(ALL, "brats2013")
    data = LoadImageModalitiesd(ALL, extra_keys=["brain", "label"])(item)
    assert data["flair"].min() < -3  # air, as published
    for step in transform.transforms[0].steps.transforms[1:5]:
        data = step(data)
    inside = data["brain"][0] > 0.5
    for channel in data["image"][[1, 3]]:
        assert channel[~inside].abs().max() == 0
        assert channel[inside].mean().item() == pytest.approx(0, abs=1e-4)
        assert channel[inside].std().item() == pytest.approx(1, abs=1e-4)
    assert data["image"][[0, 2]].isnan().all()

    for step in transform.transforms[0].steps.transforms[5:]:
        data = step(data)
    assert data["image"].shape == (4, *data["label"].shape[1:])
    assert data["image"].shape[1] < 200  # cropped to the brain
    data["pred"] = data["label"].clone()
    inverted = Invertd("pred", transform, orig_keys="image")(data)["pred"]
    raw = np.asarray(nibabel.load(item["label"]).dataobj).astype(int)
    np.testing.assert_array_equal(inverted[0].numpy(), np.array([0, 1, 2, 1, 3])[raw])


def test_prostate_modalities_on_two_grids(real_data):
    folder = real_data / "prostate_t2_adc"
    (item,) = find_mri_cases(folder / "ProstateX-0000", ["t2", "adc"], {"t2": "{case}/t2.*", "adc": "{case}/adc.*"})
    loaded = LoadImageModalitiesd(["t2", "adc"])(item)
    with pytest.raises(InputError, match=r"t2.mha and .*adc.mha: not on one grid, shapes are 384 x 384 x 19 and 84 x"):
        StackModalitiesd(["t2", "adc"])(loaded)
    image = StackModalitiesd(["t2", "adc"], resample=True)(loaded)["image"]
    assert image.shape == (2, 384, 384, 19)
    np.testing.assert_allclose(image.affine, loaded["t2"].affine)
    centre = torch.tensor([192, 192, 9, 1.0], dtype=torch.float64)
    x, y, z = (torch.linalg.inv(loaded["adc"].affine) @ loaded["t2"].affine @ centre)[:3].round().int().tolist()
    near = loaded["adc"][0, x - 1 : x + 2, y - 1 : y + 2, z - 1 : z + 2]
    assert near.min() <= image[1, 192, 192, 9] <= near.max()


def test_modalities_are_in_memory_once(write_case):
    """What the loader alone holds is given up when it is stacked; what a user gives stays."""
    item = write_case(modalities=["t2", "flair"])
    loaded = LoadImageModalitiesd(ALL)(item)
    prepared = chain(label=False)(loaded)["image"]
    assert not set(ALL) & set(loaded)
    given = dict(LoadImageModalitiesd(ALL)(item))
    torch.testing.assert_close(chain(label=False)(given)["image"], prepared, equal_nan=True)
    assert {"t2", "flair"} <= set(given)
