import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, Spacingd

from shared.transforms import SafeSpacingd


@pytest.fixture
def data(oblique):
    meta = {"filename_or_obj": "a.nii.gz"}
    image = MetaTensor(torch.rand(2, 12, 8, 6), affine=oblique, meta=meta)
    image[1] = torch.nan
    label = MetaTensor((torch.rand(1, 12, 8, 6) > 0.5).float(), affine=oblique, meta=meta)
    return {"image": image, "label": label, "image_path": "a.nii.gz", "image_id": 7, "case": "x", 3: "number"}


def without_neighbours(data):
    return {key: data[key] for key in ("image", "label")}


def test_leaves_neighbouring_entries_alone(data):
    with pytest.raises(AttributeError):  # once MONAI is mended, SafeSpacingd can go
        Spacingd("image", pixdim=(1, 1, 1))({key: data[key] for key in ("image", "image_path")})
    spaced = SafeSpacingd("image", pixdim=(1, 1, 1))(data)
    assert set(spaced) == set(data)
    assert (spaced["image_path"], spaced["image_id"], spaced[3]) == ("a.nii.gz", 7, "number")
    assert "image_path" in data


def test_otherwise_does_what_monai_does(data):
    arguments = {"keys": ["image", "label"], "pixdim": (2, 1, 1), "mode": ("bilinear", "nearest")}
    expected = Spacingd(**arguments)(without_neighbours(data))
    spaced = SafeSpacingd(**arguments)(data)
    for key in ("image", "label"):
        torch.testing.assert_close(spaced[key].as_tensor(), expected[key].as_tensor(), equal_nan=True)
        np.testing.assert_allclose(spaced[key].affine, expected[key].affine)


def test_an_absent_modality_stays_nan_and_keeps_to_itself(data):
    spaced = SafeSpacingd("image", pixdim=(0.8, 0.8, 0.8))(data)["image"]
    alone = SafeSpacingd("image", pixdim=(0.8, 0.8, 0.8))({"image": data["image"][:1]})["image"]
    assert spaced[1].isnan().all()
    torch.testing.assert_close(spaced[:1].as_tensor(), alone.as_tensor())


def test_air_beside_an_absent_modality_stays_exactly_zero(data):
    data["image"][0, :6] = 0
    spaced = SafeSpacingd("image", pixdim=(0.5, 1.5, 2))(data)["image"]
    assert spaced[0, :10].abs().max() == 0
    assert spaced[0, 14:].min() > 0


@pytest.mark.parametrize("nearest", [True, False])
def test_inverse(data, nearest):
    transform = Compose([SafeSpacingd(["image", "label"], pixdim=(0.5, 0.5, 0.5), mode=["bilinear", "nearest"])])
    spaced = transform(data)
    spaced["pred"] = MetaTensor(spaced["label"].clone())
    inverted = Invertd("pred", transform, orig_keys="image", nearest_interp=nearest)(spaced)
    assert inverted["pred"].shape == data["label"].shape
    np.testing.assert_allclose(inverted["pred"].affine, data["image"].affine, atol=1e-6)
    assert ((inverted["pred"] > 0.5) == (data["label"] > 0.5)).float().mean() > 0.95


def test_lazy_execution(data):
    spaced = SafeSpacingd("image", pixdim=(1, 1, 1))(data, lazy=True)
    assert spaced["image"].has_pending_operations
    assert spaced["image_path"] == "a.nii.gz"
