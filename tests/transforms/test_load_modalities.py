"""Every modality that a case has is read: from its own file, a channel, or a file of all."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import LoadImage, MapTransform
from random_volume import VOLUME

from shared.errors import InputError
from shared.transforms import LoadImageModalitiesd

ALL = ["t1", "t1ce", "t2", "flair"]


@pytest.fixture
def four_channels(tmp_path, write_nifti):
    """A 4D file whose channels hold 0, 1, 2, 3."""
    return write_nifti(tmp_path / "B_1.nii.gz", np.broadcast_to(np.arange(4.0), (5, 4, 3, 4)).astype(np.float32))


@pytest.fixture
def count_reads(monkeypatch):
    read, calls = LoadImage.__call__, []
    monkeypatch.setattr(
        LoadImage, "__call__", lambda self, path, **kwargs: calls.append(path) or read(self, path, **kwargs)
    )
    return calls


def test_reads_each_modality_that_is_there(write_case, oblique):
    item = write_case(modalities=["t2", "flair"], affine=oblique, label=False)
    loaded = LoadImageModalitiesd(ALL)({**item, "note": [1, 2], "t1": None})
    assert set(loaded) == {"case", "patient", "t2", "flair", "note"}
    for name in ("t2", "flair"):
        expected = LoadImage(image_only=True)(item[name])
        torch.testing.assert_close(loaded[name][0].as_tensor(), expected.as_tensor())
        assert loaded[name].shape[0] == 1
        assert loaded[name].dtype == torch.float32
        np.testing.assert_allclose(loaded[name].affine, oblique)
    assert loaded["note"] == [1, 2]
    assert isinstance(item["flair"], str)  # the input stays as it was


def test_channels_of_a_4d_file_are_read_by_number_and_once(four_channels, count_reads):
    item = {"t1ce": [four_channels, 2], "flair": [four_channels, 0], "case": "c"}
    loaded = LoadImageModalitiesd(["flair", "t1ce"])(item)
    assert (loaded["flair"].unique().item(), loaded["t1ce"].unique().item()) == (0, 2)
    assert loaded["flair"].shape == loaded["t1ce"].shape == (1, 5, 4, 3)
    assert len(count_reads) == 1
    assert loaded["case"] == "c"


def test_a_4d_image_is_taken_apart_in_the_order_of_the_modalities(four_channels):
    loaded = LoadImageModalitiesd(["flair", "t1", "t1ce", "t2"])({"image": four_channels, "image_path": four_channels})
    assert "image" not in loaded
    assert [loaded[name].unique().item() for name in ("flair", "t1", "t1ce", "t2")] == [0, 1, 2, 3]
    assert all(isinstance(loaded[name], MetaTensor) for name in ALL)
    assert {loaded[name].meta["filename_or_obj"] for name in ALL} == {four_channels}
    assert loaded["case"] == "B_1"
    assert loaded["image_path"] == four_channels


def test_a_list_of_files_has_one_per_modality(write_case):
    item = write_case(label=False)
    loaded = LoadImageModalitiesd(ALL)({"image": [item["t1"], None, item["t2"], item["flair"]]})
    assert set(loaded) == {"case", "t1", "t2", "flair"}
    assert [loaded[name].meta["filename_or_obj"] for name in ("t1", "t2")] == [item["t1"], item["t2"]]


def test_one_3d_image_is_the_one_modality(tmp_path, write_nifti):
    loaded = LoadImageModalitiesd("flair")({"image": write_nifti(tmp_path / "my.head.nii", VOLUME)})
    np.testing.assert_array_equal(loaded["flair"][0], VOLUME)
    assert loaded["case"] == "my.head"


def test_only_modality_says_what_an_unnamed_volume_is(tmp_path, write_nifti, four_channels):
    file = write_nifti(tmp_path / "scan.nii.gz", VOLUME)
    loaded = LoadImageModalitiesd(ALL, only_modality="t1ce")({"image": file})
    assert set(loaded) == {"t1ce", "case"}
    np.testing.assert_array_equal(loaded["t1ce"][0], VOLUME)
    assert set(LoadImageModalitiesd(ALL, only_modality="t1ce")({"image": four_channels})) == {*ALL, "case"}
    with pytest.raises(InputError, match="only_modality: expected one of t1, t1ce, t2, flair, or None, got 't1c'"):
        LoadImageModalitiesd(ALL, only_modality="t1c")


def test_mask_and_label_are_read_on_request(tmp_path, write_nifti):
    files = {
        name: write_nifti(tmp_path / f"{name}.nii.gz", (VOLUME > 0).astype(np.uint8)) for name in ("brain", "label")
    }
    item = {"flair": write_nifti(tmp_path / "f.nii.gz", VOLUME), **files}
    assert isinstance(LoadImageModalitiesd("flair")(item)["label"], str)
    loaded = LoadImageModalitiesd("flair", extra_keys=["brain", "label"])(item)
    assert loaded["brain"].shape == loaded["label"].shape == (1, 5, 4, 3)
    assert loaded["case"] == "f"


def test_tensors_are_left_alone():
    image = torch.from_numpy(VOLUME)
    assert LoadImageModalitiesd(ALL)({"image": image})["image"] is image
    assert LoadImageModalitiesd(ALL)({"flair": VOLUME, "brain": image})["flair"] is VOLUME


def test_monai_deploy_takes_it_for_a_loader_of_dictionaries():
    assert "LoadImage" in LoadImageModalitiesd.__name__
    assert issubclass(LoadImageModalitiesd, MapTransform)


def test_refuses_what_does_not_fit(tmp_path, four_channels, write_nifti):
    flat = write_nifti(tmp_path / "flat.nii.gz", VOLUME[..., 0])
    three = write_nifti(tmp_path / "three.nii.gz", VOLUME)
    first = write_nifti(tmp_path / "first.nii.gz", np.stack([VOLUME] * 4))
    phase = write_nifti(tmp_path / "phase.nii.gz", VOLUME.astype(np.complex64))
    cases = [
        (
            ["flair"],
            {"image": four_channels},
            r"has 4 channels, but one modality .*\[\{'flair': \['.*B_1.nii.gz', CHANNEL",
        ),
        (
            ALL,
            {"image": three},
            r"three.nii.gz: has 1 channel, but 4 modalities .* say which one it is: --datalist "
            r"\"\[\{'NAME': '.*three.nii.gz'\}\]\" with NAME one of t1, t1ce, t2, flair, or --only_modality NAME\.",
        ),
        (ALL, {"image": [three, three]}, "image: 2 files for 4 modalities"),
        (ALL, {"flair": four_channels}, "has 4 channels, but one 3D image is expected as flair"),
        (ALL, {"flair": [four_channels, 4]}, "has no channel 4 for flair, only 0 to 3"),
        (ALL, {"flair": 7}, r"flair: expected a path or \[path, channel\], got 7"),
        (ALL, {"image": 7}, "image: expected a path or a list of paths, got 7"),
        (ALL, {"flair": str(tmp_path / "no.nii")}, "no.nii: no such file"),
        (ALL, {"flair": flat}, "a 3D image is expected .*, this one is 2D"),
        (ALL, {"image": first}, r"first.nii.gz: has shape 4 x \d+ x .*, with the modalities on the first axis; store"),
        (ALL, {"flair": phase}, "phase.nii.gz: holds complex64 values, but one number per voxel is expected"),
    ]
    for modalities, item, text in cases:
        with pytest.raises(InputError, match=text):
            LoadImageModalitiesd(modalities)(item)
