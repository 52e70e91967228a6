import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, MapTransform

from shared.errors import InputError
from shared.transforms import LoadImageModalitiesd, StackModalitiesd

ALL = ["t1", "t1ce", "t2", "flair"]


def modality(value, shape=(5, 4, 3), affine=None, name="a.nii.gz"):
    """A volume of one value but for the last voxel, since a constant one counts as absent."""
    affine = np.eye(4) if affine is None else affine
    volume = torch.full((1, *shape), float(value))
    volume[0, -1, -1, -1] += 1
    return MetaTensor(volume, affine=affine, meta={"filename_or_obj": name})


def test_channels_follow_the_names_and_absent_ones_are_nan():
    data = {"flair": modality(4), "t1ce": modality(2), "case": "x", "label": "untouched"}
    stacked = StackModalitiesd(ALL)(data)
    assert set(stacked) == {"image", "case", "label"}
    assert stacked["image"].dtype == torch.float32
    torch.testing.assert_close(
        stacked["image"][:, 0, 0, 0].as_tensor(), torch.tensor([torch.nan, 2, torch.nan, 4]), equal_nan=True
    )
    reverse = StackModalitiesd(ALL[::-1])(data)["image"]
    torch.testing.assert_close(reverse.as_tensor(), stacked["image"].flip(0).as_tensor(), equal_nan=True)
    assert "flair" in data  # the input stays as it was


def test_grid_and_file_name_come_from_the_first_that_is_there(write_case, oblique):
    item = write_case(modalities=["t2", "flair"], affine=oblique)
    image = Compose([LoadImageModalitiesd(ALL), StackModalitiesd(ALL)])(item)["image"]
    assert image.shape == (4, 16, 14, 12)
    assert image.meta["filename_or_obj"] == item["t2"]
    np.testing.assert_allclose(image.affine, oblique)
    np.testing.assert_allclose(image.meta["original_affine"], oblique)
    assert list(image.meta["spatial_shape"]) == [16, 14, 12]
    assert image.applied_operations == []


def test_no_header_of_the_file_is_kept():
    """DICOM headers name the patient."""
    volume = modality(1)
    volume.meta["0010|0010"] = "DOE^JANE"
    assert "0010|0010" not in StackModalitiesd(ALL)({"t2": volume})["image"].meta


def test_the_history_starts_anew():
    volume = modality(1)
    volume.push_applied_operation({"class": "Flip"})
    assert StackModalitiesd("t2")({"t2": volume})["image"].applied_operations == []


def test_label_and_mask_stay(write_case):
    loaded = Compose(
        [LoadImageModalitiesd(ALL), LoadImaged("label"), EnsureChannelFirstd("label"), StackModalitiesd(ALL)]
    )(write_case())
    assert loaded["label"].shape == (1, 16, 14, 12)
    assert set(loaded["label"].unique().tolist()) == {0, 1, 2, 4}


def test_another_shape_names_both_files():
    data = {"t1": modality(1, name="a_t1.nii"), "flair": modality(1, shape=(5, 4, 2), name="a_flair.nii")}
    with pytest.raises(
        InputError,
        match=r"a_t1.nii and a_flair.nii: .* shapes are 5 x 4 x 3 and 5 x 4 x 2; .* --resample_modalities True",
    ):
        StackModalitiesd(ALL)(data)


def test_another_affine_is_another_grid_but_rounding_is_not():
    near, far = np.eye(4), np.eye(4)
    near[0, 3], far[0, 3] = 0.0009, 0.5
    assert StackModalitiesd(["t1", "t2"])({"t1": modality(1), "t2": modality(1, affine=near)})["image"].shape[0] == 2
    with pytest.raises(InputError, match=r"origins are \(0, 0, 0\) and \(0.5, 0, 0\) mm, a shift of \(0.5, 0, 0\) mm"):
        StackModalitiesd(["t1", "t2"])({"t1": modality(1), "t2": modality(1, affine=far)})


def test_resampling_onto_the_first_grid_is_right_in_the_world():
    """A ramp along x in millimetres is the same ramp on any grid; outside of what was measured there is 0."""
    coarse = np.diag([2.0, 1, 1, 1])
    ramp = torch.arange(0, 8, 2.0).view(1, 4, 1, 1).expand(1, 4, 4, 3)  # x = 0, 2, 4, 6 mm
    data = {"t1": modality(1, shape=(9, 4, 3)), "t2": MetaTensor(ramp.clone(), affine=coarse)}
    image = StackModalitiesd(["t1", "t2"], resample=True)(data)["image"]
    assert image.shape == (2, 9, 4, 3)
    torch.testing.assert_close(image[1, :7, 1, 1].as_tensor(), torch.arange(7.0))
    assert image[1, 8].abs().max() == 0
    assert image.applied_operations == []


@pytest.mark.parametrize("stray", [torch.nan, torch.inf])
def test_stray_values_are_counted_and_the_file_named(stray):
    volume = modality(1, name="b_t2.nii")
    volume[0, 0, 0, :2] = stray
    with pytest.raises(InputError, match=r"b_t2.nii: 2 of 60 voxels of t2 are NaN or infinite; repair"):
        StackModalitiesd(ALL)({"t1": modality(1), "t2": volume})


def test_a_modality_of_nan_is_absent_one_of_infinity_is_wrong():
    image = StackModalitiesd(["t1", "t2"])({"t1": modality(torch.nan), "t2": modality(1)})["image"]
    assert image[0].isnan().all()
    assert image[1].isfinite().all()
    with pytest.raises(InputError, match="60 of 60 voxels of t1"):
        StackModalitiesd(["t1"])({"t1": modality(torch.inf)})


@pytest.mark.parametrize("data", [{}, {"t1": modality(torch.nan)}, {"image": torch.full((4, 5, 4, 3), torch.nan)}])
def test_no_modality_at_all(data):
    with pytest.raises(InputError, match=r"case B_7: none of its modalities \(t1, t1ce, t2, flair\) is present"):
        StackModalitiesd(ALL)({"case": "B_7", **data})


def test_what_monai_deploy_hands_over():
    """One axis per direction, no channel, metadata of its own that must survive."""
    handed = MetaTensor(torch.rand(5, 4, 3), meta={"affine": np.diag([1, 2, 3, 1]), "series": "s1"})
    image = StackModalitiesd("flair")({"image": handed})["image"]
    assert image.shape == (1, 5, 4, 3)
    assert image.meta["series"] == "s1"
    assert image.pixdim.tolist() == [1, 2, 3]
    assert issubclass(StackModalitiesd, MapTransform)  # else Deploy calls the chain with tensors, not dictionaries
    one_each = StackModalitiesd(["t2", "flair"])({"flair": handed, "t2": handed + 1})["image"]
    assert one_each.shape == (2, 5, 4, 3)


def test_a_tensor_with_channels_gets_the_same_checks():
    image = torch.rand(4, 5, 4, 3)
    image[1] = torch.nan
    torch.testing.assert_close(StackModalitiesd(ALL)({"image": image})["image"].as_tensor(), image, equal_nan=True)
    image[0, 0, 0, 0] = torch.nan
    with pytest.raises(InputError, match="1 of 60 voxels of t1 are NaN"):
        StackModalitiesd(ALL)({"image": image})
    with pytest.raises(InputError, match=r"has shape \(4, 5, 4, 3\), but .* with 2 channels \(t1, t2\) is expected"):
        StackModalitiesd(["t1", "t2"])({"image": image})
    with pytest.raises(InputError, match=r"flair: one 3D image is expected as flair, not shape \(2, 5, 4, 3\)"):
        StackModalitiesd(ALL)({"flair": torch.rand(2, 5, 4, 3)})


@pytest.mark.parametrize("value", [0.0, -1.0, 32767.0])
def test_a_modality_of_one_single_value_is_absent_with_a_word(value, caplog):
    placeholder = MetaTensor(torch.full((1, 5, 4, 3), value), meta={"filename_or_obj": "a_t2.nii"})
    image = StackModalitiesd(ALL)({"t1": modality(1), "t2": placeholder, "case": "B_7"})["image"]
    assert image[2].isnan().all()
    assert image[0].isfinite().all()
    assert f"case B_7: t2 has one single value, {value:g}, and counts as absent (a_t2.nii)." in caplog.text
    whole = torch.rand(4, 5, 4, 3)
    whole[1] = value
    image = StackModalitiesd(ALL)({"image": whole})["image"]
    assert image.isnan().flatten(1).any(dim=1).tolist() == [False, True, False, False]
    assert (whole[1] == value).all()  # the input stays as it was
    with pytest.raises(InputError, match=r"none of its modalities \(t1, t1ce, t2, flair\) is present"):
        StackModalitiesd(ALL)({"t2": placeholder})


def on_two_grids():
    """A ramp along x in millimetres on two grids, and a label on a third."""
    fine, coarse, labelled = np.diag([1.0, 1, 1, 1]), np.diag([2.0, 1, 1, 1]), np.diag([1.5, 1, 1, 1])
    data = {"t1": MetaTensor(torch.arange(9.0).view(1, 9, 1, 1).expand(1, 9, 4, 3).clone(), affine=fine)}
    data["flair"] = MetaTensor(torch.arange(0, 10, 2.0).view(1, 5, 1, 1).expand(1, 5, 4, 3).clone(), affine=coarse)
    for name in data:
        data[name].meta["filename_or_obj"] = f"{name}.nii"
    return data, MetaTensor(torch.ones(1, 6, 4, 3), affine=labelled)


def test_resampling_takes_the_labels_grid_whichever_modalities_are_there():
    data, label = on_two_grids()
    for names in (["t1", "flair"], ["t1"], ["flair"]):
        item = {**{name: data[name] for name in names}, "label": label, "brain": (data["t1"] > 0).float()}
        stacked = StackModalitiesd(ALL, resample=True)(item)
        np.testing.assert_allclose(stacked["image"].affine, label.affine)
        for name in names:
            torch.testing.assert_close(stacked["image"][ALL.index(name), :, 1, 1].as_tensor(), torch.arange(6) * 1.5)
        assert stacked["brain"].shape == label.shape
        assert stacked["brain"][0, :, 1, 1].tolist() == [0, 1, 1, 1, 1, 1]
    assert "brain" not in StackModalitiesd(ALL, resample=True)({**data, "label": "unread.nii"})


def test_without_a_label_the_reference_gives_the_grid_and_the_file(caplog):
    data, _ = on_two_grids()
    for reference, grid in ((None, "t1"), ("flair", "flair")):
        image = StackModalitiesd(ALL, resample=True, reference=reference)({**data, "label": "unread.nii"})["image"]
        np.testing.assert_allclose(image.affine, data[grid].affine)
        assert image.meta["filename_or_obj"] == f"{grid}.nii"
    assert caplog.text == ""
    image = StackModalitiesd(ALL, resample=True, reference="t2")({**data, "case": "B_7"})["image"]
    assert "case B_7: t2, the reference for the grid, is absent; resampled onto the grid of t1." in caplog.text
    np.testing.assert_allclose(image.affine, data["t1"].affine)
    with pytest.raises(InputError, match=r"reference_modality: expected one of t1, t1ce, t2, flair, got 'adc'"):
        StackModalitiesd(ALL, reference="adc")


def test_modalities_that_do_not_overlap_are_refused():
    data, _ = on_two_grids()
    far = np.diag([2.0, 1, 1, 1])
    far[:3, 3] = 500
    data["flair"] = MetaTensor(data["flair"].as_tensor(), affine=far, meta={"filename_or_obj": "flair.nii"})
    with pytest.raises(InputError, match=r"flair.nii: flair does not overlap with t1.nii"):
        StackModalitiesd(ALL, resample=True)(data)


def test_only_modality_puts_a_tensor_of_one_channel_into_its_place():
    volume = modality(7, name="scan.nii")
    image = StackModalitiesd(ALL, only_modality="t2")({"image": volume})["image"]
    assert image.shape == (4, *volume.shape[1:])
    assert torch.equal(image[2].as_tensor(), volume[0].as_tensor())
    assert image[[0, 1, 3]].isnan().all()
    assert image.meta["filename_or_obj"] == "scan.nii"
    with pytest.raises(InputError, match=r"scan.nii: has 1 channel, but 4 modalities .* --only_modality NAME"):
        StackModalitiesd(ALL)({"image": volume})
