import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, CropForegroundd, Invertd, NormalizeIntensity

from shared.errors import InputError
from shared.transforms import NormalizeInBrain, NormalizeInBraind, NoteBraind, brain_of_normalized, in_brain


@pytest.fixture
def head():
    """Two modalities in a 6 x 4 x 4 block of brain and an absent one; the second has a zero inside the brain."""
    image = torch.zeros(3, 10, 9, 8)
    image[:2, 2:8, 3:7, 1:5] = 1 + torch.rand(2, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    image[1, 4, 4, 2] = 0
    image[2] = torch.nan
    return MetaTensor(image, meta={"filename_or_obj": "a.nii"})


@pytest.fixture
def block():
    mask = torch.zeros(1, 10, 9, 8, dtype=torch.bool)
    mask[:, 2:8, 3:7, 1:5] = True
    return mask


def test_by_hand():
    """Brain values 1, 2, 3: mean 2, deviation sqrt(2/3)."""
    normalized = NormalizeInBrain()(torch.tensor([0.0, 1, 2, 3]).view(1, 4, 1, 1))
    torch.testing.assert_close(normalized.flatten(), torch.tensor([0, -(1.5**0.5), 0, 1.5**0.5]))


def test_brain_is_where_any_modality_differs_from_zero(head, block):
    assert torch.equal(in_brain(head), block)
    assert in_brain(head[1:]).sum() == block.sum() - 1
    mask = torch.zeros(1, 10, 9, 8, dtype=torch.float64)
    mask[0, 0, 0, 0] = 0.99999997  # a mask stored as scaled numbers; an integer type would make it 0
    assert in_brain(head, mask).nonzero().tolist() == [[0, 0, 0, 0]]


def test_mean_zero_deviation_one_inside_and_zero_outside(head, block):
    normalized = NormalizeInBrain()(head)
    for channel in normalized[:2]:
        assert channel[block[0]].mean().item() == pytest.approx(0, abs=1e-5)
        assert channel[block[0]].std(correction=0).item() == pytest.approx(1, abs=1e-5)
        assert channel[~block[0]].abs().max() == 0
    assert normalized[2].isnan().all()
    assert normalized.meta["filename_or_obj"] == "a.nii"
    assert head[0].max() > 1  # the input stays as it was


def test_shifted_air_by_hand():
    """Brain values 1, 2, 3: air ends at -mean/deviation = -2 / sqrt(2/3)."""
    image = torch.tensor([[0.0, 1, 2, 3], [torch.nan] * 4]).view(2, 4, 1, 1)
    normalized = NormalizeInBrain(shift_air=True)(image)
    torch.testing.assert_close(normalized[0].flatten(), torch.tensor([-2.0, -1, 0, 1]) * 1.5**0.5)
    assert normalized[1].isnan().all()
    data = {"image": image, "brain": torch.tensor([0.0, 1, 0, 1]).view(1, 4, 1, 1)}
    without_mask = NormalizeInBraind(brain_key=None, shift_air=True)(data)["image"]
    torch.testing.assert_close(without_mask, normalized, equal_nan=True)
    with_mask = NormalizeInBraind(shift_air=True)(data)["image"][0].flatten()
    torch.testing.assert_close(with_mask, torch.tensor([-2.0, -1, 0, 1]))


def test_agrees_with_monai_where_every_brain_voxel_is_nonzero(head, block):
    expected = NormalizeIntensity(nonzero=True)(head[:1])
    torch.testing.assert_close(NormalizeInBrain()(head[:1]).as_tensor(), expected.as_tensor())


def test_a_mask_finds_the_brain_where_air_is_not_zero(head, block):
    """The cases of 2013: shifted, so that air lies at -3."""
    shifted = head - 3
    torch.testing.assert_close(
        NormalizeInBrain()(shifted, block).as_tensor(), NormalizeInBrain()(head).as_tensor(), equal_nan=True
    )


def test_large_intensities_lose_no_digits(block):
    image = torch.where(block, torch.randn(block.shape) + 30000, 0.0)
    normalized = NormalizeInBrain()(image)
    assert normalized[block].double().std(correction=0).item() == pytest.approx(1, abs=1e-4)
    assert abs(normalized[block].double().mean().item()) < 1e-6


def test_a_modality_that_is_constant_inside_the_brain_is_absent(head, block, caplog):
    head[1] = torch.where(block[0], 0.1, 0.0)
    normalized = NormalizeInBrain()(head)
    assert normalized[1].isnan().all()
    assert normalized[0].abs().max() > 0
    assert "a.nii (channel 1): one single value inside the brain; the modality counts as absent." in caplog.text
    with pytest.raises(InputError, match=r"a.nii: every modality has one single value inside the brain"):
        NormalizeInBrain()(head[1:])


def test_refuses_an_empty_brain_and_a_mask_of_another_shape(head):
    mask = MetaTensor(torch.zeros(1, 10, 9, 8), meta={"filename_or_obj": "mask.nii"})
    with pytest.raises(InputError, match=r"mask.nii: the brain is empty, no voxel is inside"):
        NoteBraind()({"image": head, "brain": mask})
    with pytest.raises(InputError, match=r"mask.nii: the brain is empty, no voxel is inside"):
        NormalizeInBrain()(head, mask)
    with pytest.raises(InputError, match=r"a.nii: the brain is empty"):
        NormalizeInBrain()(head * 0)
    with pytest.raises(
        InputError, match=r"mask.nii: the mask has shape \(1, 10, 9, 7\), but \(1, 10, 9, 8\) is needed"
    ):
        NormalizeInBrain()(head, mask[..., :7])


def test_dictionary_version(head, block):
    data = {"image": head, "brain": block, "case": "x"}
    normalized = NormalizeInBraind()(data)
    assert normalized["brain"] is block
    torch.testing.assert_close(
        normalized["image"].as_tensor(), NormalizeInBrain()(head, block).as_tensor(), equal_nan=True
    )
    assert data["image"] is head
    assert NormalizeInBraind("image", allow_missing_keys=True)({"case": "x"}) == {"case": "x"}


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_crop_to_the_brain_and_back(head, absent):
    """An absent modality neither widens the box nor is in the way of the inverse."""
    present = (head[0], head[1], torch.full_like(head[0], torch.nan))
    order = {0: (2, 0, 1), 1: (0, 2, 1), 2: (0, 1, 2)}[absent]
    image = MetaTensor(torch.stack([present[channel].as_tensor() for channel in order]), affine=np.diag([-1, 2, 1, 1]))
    crop = Compose([NormalizeInBraind(), CropForegroundd("image", source_key="image", select_fn=brain_of_normalized)])
    data = crop({"image": image})
    assert data["image"].shape == (3, 6, 4, 4)
    assert [bool(channel.isnan().all()) for channel in data["image"]] == [channel == absent for channel in range(3)]
    data["pred"] = MetaTensor(torch.ones(1, 6, 4, 4))
    inverted = Invertd("pred", crop, orig_keys="image")(data)["pred"]
    assert inverted.shape == (1, 10, 9, 8)
    assert torch.equal(inverted.as_tensor() > 0, in_brain(head))
    np.testing.assert_allclose(inverted.affine, image.affine)


def test_the_box_holds_what_is_darker_than_the_mean():
    """MONAI's own choice, values above 0, would cut it off."""
    image = torch.zeros(1, 6, 1, 1)
    image[0, 1:5, 0, 0] = torch.tensor([1.0, 2.0, 9.0, 1.0])
    normalized = NormalizeInBraind()({"image": MetaTensor(image)})
    assert CropForegroundd("image", "image", select_fn=brain_of_normalized)(normalized)["image"].shape == (1, 4, 1, 1)
    assert CropForegroundd("image", "image")(normalized)["image"].shape == (1, 1, 1, 1)
