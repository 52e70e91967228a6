"""Class and uncertainty of logits, on the grid of an image."""

import pytest
import torch
from monai.data import MetaTensor

from shared.transforms import SegmentOnGridd, segment_on_grid


def same_grid(logits):
    return SegmentOnGridd()({"pred": MetaTensor(logits), "image": MetaTensor(torch.zeros(1, *logits.shape[1:]))})


def test_three_voxels_by_hand():
    """p = (1/2, 1/4, 1/4), (1, 0, 0) and (1/3, 1/3, 1/3); the first of equal classes wins."""
    logits = torch.tensor([[0.25, 0.5, 0.25], [1e-30, 1.0, 1e-30], [1.0, 1.0, 1.0]]).log().T.reshape(3, 3, 1, 1)
    segmented = same_grid(logits)
    assert segmented["pred"].flatten().tolist() == [1, 1, 0]
    torch.testing.assert_close(segmented["uncertainty"].flatten().as_tensor(), torch.tensor([0.5, 0.0, 2 / 3]))
    assert (segmented["pred"].dtype, segmented["uncertainty"].dtype) == (torch.uint8, torch.float32)


@pytest.mark.parametrize("shape", [(3, 8, 7), (4, 6, 5, 4)])
def test_agrees_with_a_softmax(shape):
    logits = torch.randn(shape)
    segmented = same_grid(logits)
    probability, classes = logits.softmax(dim=0).max(dim=0, keepdim=True)
    assert torch.equal(segmented["pred"].as_tensor(), classes.byte())
    torch.testing.assert_close(segmented["uncertainty"].as_tensor(), 1 - probability)


def test_half_precision_logits_beyond_the_range_of_exp_are_certain():
    logits = torch.tensor([60000.0, -60000.0], dtype=torch.half).reshape(2, 1, 1)
    assert same_grid(logits)["uncertainty"].item() == 0


def test_one_voxel_halved_by_hand():
    """Logits 0 and 3 on two voxels: a quarter of the way between them 0.75 and 2.25; as far outside 0 and 3."""
    logits, affine = torch.tensor([[[0.0, 0.0]], [[-1.0, 3.0]]]), torch.eye(3)
    fine = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, -0.25], [0.0, 0.0, 1.0]])
    classes, uncertainty = segment_on_grid(logits, affine, fine, (1, 4))
    assert classes.flatten().tolist() == [0, 0, 1, 1]
    expected = torch.tensor([-1.0, 0.0, 2.0, 3.0]).abs().neg().sigmoid()
    torch.testing.assert_close(uncertainty.flatten(), expected)


def test_infinite_logits_give_numbers():
    logits = torch.tensor([[0.0, float("-inf"), 0.0], [float("-inf"), 0.0, float("-inf")]])[:, None]
    fine = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 1.0]])
    classes, uncertainty = segment_on_grid(logits, torch.eye(3), fine, (1, 6))
    assert classes.flatten().tolist() == [0, 0, 1, 1, 0, 0]
    assert uncertainty.isfinite().all()


def test_half_precision_around_it_changes_nothing():
    """Positions in bfloat16 would be off by voxels."""
    logits, fine = torch.randn(3, 40, 5, 5), torch.diag(torch.tensor([0.5, 0.5, 0.5, 1.0]))
    expected = segment_on_grid(logits, torch.eye(4), fine, (80, 10, 10))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = segment_on_grid(logits, torch.eye(4), fine, (80, 10, 10))
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one, other)


def test_results_carry_the_grids_metadata_and_inputs_stay_as_they_were():
    grid = MetaTensor(torch.zeros(1, 4, 4), meta={"filename_or_obj": "P1.nii"})
    data = {"pred": MetaTensor(torch.randn(2, 4, 4)), "image": grid}
    before = data["pred"].clone()
    segmented = SegmentOnGridd()(data)
    assert torch.equal(data["pred"], before)
    assert set(data) == {"pred", "image"}
    assert segmented["uncertainty"].meta["filename_or_obj"] == "P1.nii"
    segmented["pred"].push_applied_operation({"class": "Flip"})
    assert data["pred"].applied_operations == grid.applied_operations == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"pred": MetaTensor(torch.zeros(1, 4, 4))},
            r"pred must hold logits of at least two classes, got shape \(1, 4",
        ),
        ({"pred": torch.zeros(2, 4, 4)}, "pred must be a MetaTensor, whose affine says where it is"),
        ({"image": torch.zeros(1, 4, 4)}, "image must be a MetaTensor"),
        ({"image": MetaTensor(torch.zeros(1, 4, 4, 4))}, r"the grid must have 2 axes as the logits have"),
    ],
)
def test_rejects_what_has_no_grid(change, message):
    data = {"pred": MetaTensor(torch.zeros(2, 4, 4)), "image": MetaTensor(torch.zeros(1, 4, 4))}
    with pytest.raises(ValueError, match=message):
        SegmentOnGridd()({**data, **change})
