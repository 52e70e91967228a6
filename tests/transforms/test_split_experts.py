import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from shared.transforms import SplitExpertsd

MODALITIES = ["t1", "t1ce", "flair"]
AFFINE = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0], dtype=torch.float64))


def case(present=(True, True, True), region=True):
    """Two classes; the first two experts see the same half of the image, the third all of it."""
    foreground = torch.zeros(3, 4, 4, 4)
    foreground[:2, :2] = 1
    foreground[2] = 1
    experts = torch.stack([1 - foreground, foreground], dim=1).flatten(0, 1)
    image = torch.zeros(3, 4, 4, 4)
    image[~torch.tensor(present)] = torch.nan
    region_map = torch.zeros(1, 4, 4, 4)
    region_map[:, :2] = 1
    weights = torch.tensor([0.2, 0.3, 0.5])[:, None, None, None].expand(-1, 4, 4, 4)
    parts = [torch.randn(2, 4, 4, 4), experts, *([region_map] if region else []), weights]
    return {"image": MetaTensor(image), "pred": MetaTensor(torch.cat(parts), affine=AFFINE)}


def test_logits_stay_and_experts_are_taken_apart():
    data = case()
    split = SplitExpertsd(num_classes=2)(data)
    assert torch.equal(split["pred"].as_tensor(), data["pred"].as_tensor()[:2])
    assert torch.equal(split["pred"].affine, AFFINE)
    experts = split["experts"]
    assert experts.probabilities.shape == (3, 2, 4, 4, 4)
    assert experts.probabilities[2, 1].min() == 1
    assert torch.equal(experts.region, data["pred"].as_tensor()[8:9])
    assert torch.equal(experts.affine, AFFINE)


def test_weights_and_agreement_by_hand():
    """1 and 2 say the same (cosine 1); 3 shares half of the voxels with each (cosine 1/2); in the region all agree."""
    note = SplitExpertsd(num_classes=2)(case())["experts"].note(MODALITIES)
    assert note == {
        "weights": {"t1": 0.2, "t1ce": 0.3, "flair": 0.5},
        "agreement": {"t1": 0.75, "t1ce": 0.75, "flair": 0.5},
        "agreement_in_region": {"t1": 1.0, "t1ce": 1.0, "flair": 1.0},
    }


def test_absent_modalities_are_not_noted_and_one_alone_agrees_with_nobody():
    two = SplitExpertsd(num_classes=2)(case((True, False, True), region=False))["experts"].note(MODALITIES)
    assert two == {"weights": {"t1": 0.2, "flair": 0.5}, "agreement": {"t1": 0.5, "flair": 0.5}}
    one = SplitExpertsd(num_classes=2)(case((False, False, True)))["experts"].note(MODALITIES)
    assert one == {"weights": {"flair": 0.5}, "agreement": {"flair": None}, "agreement_in_region": {"flair": None}}


def test_no_weights_are_none():
    data = case()
    data["pred"][-3:] = np.nan
    note = SplitExpertsd(num_classes=2)(data)["experts"].note(MODALITIES)
    assert note["weights"] == {"t1": None, "t1ce": None, "flair": None}


def test_a_prediction_without_experts_stays():
    data = case()
    data["pred"] = data["pred"][:2]
    split = SplitExpertsd(num_classes=2)(data)
    assert "experts" not in split
    assert torch.equal(split["pred"], data["pred"])


def test_channels_that_do_not_fit_are_refused():
    data = case()
    data["pred"] = data["pred"][:7]
    with pytest.raises(ValueError, match="pred: 7 channels do not fit 3 modalities and 2 classes"):
        SplitExpertsd(num_classes=2)(data)
