"""Segmenting holds little more than the logits in memory."""

import pytest
import torch
from monai.data import MetaTensor, decollate_batch, list_data_collate
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shared.transforms import SegmentOnGridd, logits_on_grid, segment_on_grid

MODULE = logits_on_grid.__globals__


class LargestTensor(TorchDispatchMode):
    """Notes the largest number of elements that an operation inside returns."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        sizes = [leaf.untyped_storage().nbytes() // 4 for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.elements = max(self.elements, *sizes, 0)
        return result


def test_no_more_than_a_slab_of_all_channels_is_held(monkeypatch):
    """The fine grid has 64 times as many voxels as the logits; only two results of one channel are as large."""
    logits, shape, fine = torch.randn(6, 8, 8, 8), (32, 32, 32), torch.diag(torch.tensor([0.25, 0.25, 0.25, 1.0]))
    whole = segment_on_grid(logits, torch.eye(4), fine, shape)
    monkeypatch.setitem(MODULE, "SLAB", 2048)
    with LargestTensor() as largest:
        slabs = segment_on_grid(logits, torch.eye(4), fine, shape)
    assert largest.elements == 32**3
    assert torch.equal(whole[0], slabs[0])
    torch.testing.assert_close(whole[1], slabs[1])


@pytest.mark.parametrize("flipped", [False, True])
def test_aligned_logits_are_segmented_slab_by_slab_with_the_same_numbers(monkeypatch, flipped):
    logits, grid = torch.randn(3, 7, 5, 4), torch.eye(4)
    if flipped:
        grid = torch.tensor([[0.0, -1, 0, 6], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    shape = (5, 7, 4) if flipped else (7, 5, 4)
    data = {"pred": MetaTensor(logits), "image": MetaTensor(torch.zeros(1, *shape), affine=grid)}
    whole = SegmentOnGridd(probabilities=True, temperature=1.5)(data)
    monkeypatch.setitem(MODULE, "SLAB", 40)  # two rows
    slabs = SegmentOnGridd(probabilities=True, temperature=1.5)(data)
    for key in ("pred", "uncertainty", "probabilities"):
        assert torch.equal(slabs[key].as_tensor(), whole[key].as_tensor())
    assert whole["uncertainty"].min() > 0, "every voxel is filled"


def test_logits_are_given_back_on_request_and_what_shares_their_memory_stays():
    with torch.no_grad():
        case = {"pred": MetaTensor(torch.randn(3, 5, 5, 5)), "image": MetaTensor(torch.zeros(1, 5, 5, 5))}
        item = decollate_batch(list_data_collate([case]))[0]
    logits, other = item["pred"], item["pred"][2:]
    expected, kept = SegmentOnGridd()(item), other.clone()
    found = SegmentOnGridd(free_logits=True)(item)
    for key in ("pred", "uncertainty"):
        assert torch.equal(found[key], expected[key])
    assert logits.shape == (0,)
    assert logits._base.numel() == 0
    assert torch.equal(other, kept)
