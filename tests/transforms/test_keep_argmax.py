"""Memberships whose largest is that of the label, and the share of voxels that lack it."""

import pytest
import torch
from fuzzy_labels import SHAPES, as_onehot, cube, random_label

from shared.transforms import flipped_share, fuzzy_membership, keep_argmax


@pytest.mark.parametrize("label", [cube(1), cube(2), cube(3)], ids=["1", "2", "3"])
def test_keep_argmax_lifts_the_labelled_class_to_0501(label):
    onehot = as_onehot(label, 2)
    memberships = fuzzy_membership(onehot)
    kept = keep_argmax(onehot, memberships)
    labelled = (kept * onehot).sum(dim=1)
    torch.testing.assert_close(labelled, (memberships * onehot).sum(dim=1).clamp(min=0.501))
    torch.testing.assert_close(kept.sum(dim=1), torch.ones_like(labelled))
    assert flipped_share(onehot, kept).tolist() == [0.0, 0.0]
    assert flipped_share(onehot, memberships)[1] > 0.7


def test_keep_argmax_shares_the_rest_as_before():
    """Class 0 at 0.2 of (0.2, 0.6, 0.2): the others hold 0.499 at 3 to 1. Above 0.501 nothing changes."""
    onehot = torch.tensor([[[1, 1], [0, 0], [0, 0]]])
    memberships = torch.tensor([[[0.2, 0.6], [0.6, 0.3], [0.2, 0.1]]])
    expected = torch.tensor([[[0.501, 0.6], [0.37425, 0.3], [0.12475, 0.1]]])
    before = memberships.clone()
    torch.testing.assert_close(keep_argmax(onehot, memberships), expected)
    assert torch.equal(memberships, before)


@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
def test_keep_argmax_on_noise(shape):
    onehot = as_onehot(random_label(shape))
    memberships = fuzzy_membership(onehot)
    kept = keep_argmax(onehot, memberships)
    assert torch.equal(kept.argmax(dim=1), onehot.argmax(dim=1))
    torch.testing.assert_close(kept.sum(dim=1), torch.ones(1, *shape))
    assert 0 <= kept.min() <= kept.max() <= 1
    fine = ((memberships * onehot).sum(dim=1, keepdim=True) >= 0.501).expand_as(kept)
    assert fine.any()
    torch.testing.assert_close(kept[fine], memberships[fine])
    assert flipped_share(onehot, memberships).min() > 0.3


def test_keep_argmax_leaves_a_homogeneous_image_alone():
    onehot = as_onehot(torch.ones(4, 5, dtype=torch.int64))
    assert torch.equal(keep_argmax(onehot, fuzzy_membership(onehot)), onehot.float())


def test_flipped_share_by_hand():
    """Class 0: one of two voxels is outvoted; class 1: a tie is no flip; class 2 does not occur."""
    onehot = torch.tensor([[[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]]])
    memberships = torch.tensor([[[0.6, 0.2, 0.5, 0.1], [0.4, 0.3, 0.5, 0.9], [0.0, 0.5, 0.0, 0.0]]])
    share = flipped_share(onehot, memberships)
    torch.testing.assert_close(share, torch.tensor([0.5, 0.0, float("nan")]), equal_nan=True)


def test_flipped_share_counts_over_the_whole_batch():
    onehot = torch.tensor([[[1, 1, 1], [0, 0, 0]], [[1, 0, 0], [0, 1, 1]]])
    memberships = torch.tensor([[[0.9, 0.9, 0.9], [0.1, 0.1, 0.1]], [[0.2, 0.7, 0.3], [0.8, 0.3, 0.7]]])
    torch.testing.assert_close(flipped_share(onehot, memberships), torch.tensor([0.25, 0.5]))


@pytest.mark.parametrize("function", [keep_argmax, flipped_share])
def test_onehot_and_memberships_must_agree_in_shape(function):
    with pytest.raises(ValueError, match=r"shapes differ: onehot \(2, 2, 4, 4\), memberships \(1, 2, 4, 4\)"):
        function(torch.zeros(2, 2, 4, 4), torch.full((1, 2, 4, 4), 0.5))
