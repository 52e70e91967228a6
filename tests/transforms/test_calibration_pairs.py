import pytest
import torch
from monai.data import MetaTensor

from shared.transforms import CalibrationPairsd


def case():
    """Two modalities on 2 x 3 voxels, the second absent; air at both ends."""
    return {
        "image": MetaTensor(torch.tensor([[[0.0, -1.2, 0.4], [2.0, 0.1, 0.0]], [[float("nan")] * 3] * 2])),
        "pred": MetaTensor(torch.tensor([[[0, 1, 2], [3, 0, 0]]], dtype=torch.uint8)),
        "label": MetaTensor(torch.tensor([[[0.0, 1.0, 1.0], [3.0, 2.0, 0.0]]])),
        "uncertainty": MetaTensor(torch.tensor([[[0.0, 0.1, 0.2], [0.3, 0.4, 0.5]]])),
    }


def test_pairs_by_hand():
    paired = CalibrationPairsd()(case())
    torch.testing.assert_close(paired["confidence"], torch.tensor([[0.9, 0.8, 0.7, 0.6]]))
    assert paired["correct"].tolist() == [[1.0, 0.0, 1.0, 0.0]]


def test_voxel_that_only_one_modality_shows_counts():
    data = case()
    data["image"][1] = torch.tensor([[5.0, 5.0, 0.0], [0.0, 0.0, 0.0]])
    assert CalibrationPairsd()(data)["confidence"].shape == (1, 5)


def test_mask_of_the_brain_wins():
    paired = CalibrationPairsd()(case() | {"brain": torch.tensor([[[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]])})
    torch.testing.assert_close(paired["confidence"], torch.tensor([[1.0, 0.9]]))


def test_other_items_stay():
    data = case()
    assert CalibrationPairsd()(data)["pred"] is data["pred"]
    assert "confidence" not in data


def test_rejects_a_prediction_on_another_grid():
    data = case()
    data["pred"] = data["pred"][:, :1]
    with pytest.raises(ValueError, match=r"label \(2, 3\), pred \(1, 3\), .* bring all four to one grid"):
        CalibrationPairsd()(data)


def test_without_a_mask_all_voxels_count_that_the_network_saw():
    """Of an organ whose image has no air of one value, which `in_brain` would refuse."""
    data = case()
    data["image"] = MetaTensor(torch.full((1, 2, 3), 0.5))
    data["image"][0, 0, 0] = 0.0
    assert CalibrationPairsd(brain_key=None)(data | {"brain": torch.zeros(1, 2, 3)})["confidence"].shape == (1, 5)
