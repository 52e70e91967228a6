"""What types and shapes of labels memberships are counted in, and which are refused."""

import pytest
import torch
from fuzzy_labels import as_onehot, random_label

from shared.transforms import fuzzy_membership


@pytest.mark.parametrize("radius", [1, 3])
@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.int8, torch.int64, torch.float16, torch.bfloat16, torch.float64]
)
def test_any_type_gives_the_same_float32(dtype, radius):
    onehot = as_onehot(random_label((8, 9, 8)))
    memberships = fuzzy_membership(onehot.to(dtype), radius)
    assert memberships.dtype == torch.float32
    assert torch.equal(memberships, fuzzy_membership(onehot.float(), radius))


@pytest.mark.parametrize(("shape", "radius"), [((20, 20), 7), ((20, 20), 8), ((8, 9, 8), 3), ((34, 33, 33), 16)])
def test_many_neighbours_are_counted_without_overflow(shape, radius):
    """Up to 15^2, 17^2, 7^3 and 33^3 voxels, around the ends of 8 and 16 bits and far beyond bfloat16's 256."""
    label = torch.zeros(shape, dtype=torch.int64)
    onehot = as_onehot(label, 2).to(torch.bool if len(shape) == 2 else torch.bfloat16)
    assert torch.equal(fuzzy_membership(onehot, radius), as_onehot(label, 2).float())


def test_autocast_changes_nothing():
    onehot = as_onehot(random_label((8, 9, 7))).float()
    expected = fuzzy_membership(onehot, radius=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(fuzzy_membership(onehot, radius=2), expected)


def test_input_stays_and_need_not_be_contiguous():
    onehot = as_onehot(random_label((6, 7, 8))).float()
    before, strided = onehot.clone(), onehot.permute(0, 1, 4, 2, 3)
    assert torch.equal(fuzzy_membership(strided), fuzzy_membership(strided.contiguous()))
    assert torch.equal(onehot, before)


@pytest.mark.parametrize("radius", [0, -1, 1.5])
def test_refuses_a_radius_without_neighbours(radius):
    with pytest.raises(ValueError, match=f"radius must be a whole number of voxels, at least 1, got {radius}"):
        fuzzy_membership(as_onehot(random_label((4, 4))), radius)


def test_refuses_an_image_without_neighbours():
    with pytest.raises(ValueError, match=r"no neighbours: shape \(1, 2, 1, 1\)"):
        fuzzy_membership(torch.tensor([1, 0]).view(1, 2, 1, 1))


def test_soft_labels_are_refused_instead_of_cut_to_zero():
    with pytest.raises(ValueError, match="onehot must hold zeros and ones"):
        fuzzy_membership(torch.full((1, 2, 4, 4), 0.5))
