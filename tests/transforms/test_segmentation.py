import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, CropForegroundd, Invertd, Orientationd, Spacingd

from shared.transforms import SegmentationAndUncertaintyd

OBLIQUE = torch.tensor([[0.0, 0.9, -0.1, 5.0], [-1.1, 0.0, 0.2, -7.0], [0.1, 0.2, 2.5, 3.0], [0.0, 0.0, 0.0, 1.0]])


def test_three_voxels_by_hand():
    """p = (1/2, 1/4, 1/4), (1, 0, 0) and (1/3, 1/3, 1/3); the first of equal classes wins."""
    logits = torch.tensor([[0.25, 0.5, 0.25], [1e-30, 1.0, 1e-30], [1.0, 1.0, 1.0]]).log().T.reshape(3, 3, 1, 1)
    segmented = SegmentationAndUncertaintyd()({"pred": MetaTensor(logits)})
    assert segmented["pred"].flatten().tolist() == [1, 1, 0]
    torch.testing.assert_close(segmented["uncertainty"].flatten().as_tensor(), torch.tensor([0.5, 0.0, 2 / 3]))
    assert (segmented["pred"].dtype, segmented["uncertainty"].dtype) == (torch.uint8, torch.float32)


@pytest.mark.parametrize("shape", [(3, 8, 7), (4, 6, 5, 4)])
def test_agrees_with_a_softmax(shape):
    logits = torch.randn(shape)
    segmented = SegmentationAndUncertaintyd()({"pred": MetaTensor(logits)})
    probability, classes = logits.softmax(dim=0).max(dim=0, keepdim=True)
    assert torch.equal(segmented["pred"].as_tensor(), classes.byte())
    torch.testing.assert_close(segmented["uncertainty"].as_tensor(), 1 - probability)


def test_half_precision_logits_beyond_the_range_of_exp():
    logits = MetaTensor(torch.tensor([60000.0, -60000.0], dtype=torch.half).reshape(2, 1, 1))
    assert SegmentationAndUncertaintyd()({"pred": logits})["uncertainty"].item() == 0


def case(preprocessing):
    image = torch.zeros(1, 14, 12, 9)
    image[:, 3:11, 2:10, 2:8] = 1 + torch.rand(8, 8, 6)
    return preprocessing({"image": MetaTensor(image, affine=OBLIQUE)}), image


@pytest.mark.parametrize("wrap", [MetaTensor, torch.as_tensor], ids=["metatensor", "plain tensor"])
def test_invertd_brings_all_back_to_the_original_grid(wrap):
    """Cropped and flipped: the segmentation of `image > 1.5` must be exactly that of the original."""
    preprocessing = Compose([Orientationd("image", axcodes="RAS", labels=None), CropForegroundd("image", "image")])
    prepared, original = case(preprocessing)
    assert prepared["image"].shape != original.shape
    bright = prepared["image"].as_tensor() - 1.5
    prepared["pred"] = wrap(torch.cat([-bright, bright]))
    back = Compose(
        [
            SegmentationAndUncertaintyd(),
            Invertd(["pred", "uncertainty", "image"], preprocessing, "image", nearest_interp=[True, False, False]),
        ]
    )(prepared)
    assert torch.equal(back["pred"].as_tensor(), (original > 1.5).byte())
    for key in ("pred", "uncertainty", "image"):
        torch.testing.assert_close(back[key].affine.float(), OBLIQUE)
    torch.testing.assert_close(back["image"].as_tensor(), original)
    inside = original > 0
    expected = 1 - torch.sigmoid(2 * (original - 1.5).abs())
    torch.testing.assert_close(back["uncertainty"].as_tensor()[inside], expected[inside])


def test_inverting_a_resampling_leaves_whole_labels():
    preprocessing = Compose([Spacingd("image", pixdim=(1, 1, 1))])
    prepared, original = case(preprocessing)
    prepared["pred"] = MetaTensor(torch.randn(4, *prepared["image"].shape[1:]))
    back = Invertd(["pred", "uncertainty"], preprocessing, "image", nearest_interp=[True, False])(
        SegmentationAndUncertaintyd()(prepared)
    )
    assert back["pred"].shape == back["uncertainty"].shape == original.shape
    assert set(back["pred"].unique().tolist()) == {0, 1, 2, 3}


def test_inputs_stay_as_they_were():
    data = {"pred": MetaTensor(torch.randn(2, 4, 4))}
    before = data["pred"].clone()
    segmented = SegmentationAndUncertaintyd()(data)
    assert torch.equal(data["pred"], before)
    assert set(data) == {"pred"}
    segmented["pred"].push_applied_operation({"class": "Flip"})
    assert data["pred"].applied_operations == []


def test_rejects_a_single_channel():
    with pytest.raises(ValueError, match=r"pred must hold logits of at least two classes, got shape \(1, 4, 4\)"):
        SegmentationAndUncertaintyd()({"pred": torch.zeros(1, 4, 4)})
