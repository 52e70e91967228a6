"""Memberships are the share of each class among a voxel's neighbours: Eq. 4."""

import itertools

import numpy as np
import pytest
import torch
from fuzzy_labels import (
    CLASSES,
    SHAPES,
    as_onehot,
    blocky_label,
    memberships_by_scipy,
    memberships_of,
    neighbours,
    random_label,
)
from scipy import ndimage

from shared.transforms import fuzzy_membership


def share_of_neighbours_alike(label):
    """Eq. 4 as printed, one voxel after the other: the share of existing neighbours with the voxel's own label."""
    shares = torch.empty(label.shape)
    for voxel in itertools.product(*map(range, label.shape)):
        ranges = [range(max(i - 1, 0), min(i + 2, size)) for i, size in zip(voxel, label.shape)]
        around = [label[other] == label[voxel] for other in itertools.product(*ranges) if other != voxel]
        shares[voxel] = sum(map(int, around)) / len(around)
    return shares


@pytest.mark.parametrize("radius", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
@pytest.mark.parametrize("make_label", [random_label, blocky_label])
def test_equals_scipy(make_label, shape, radius):
    label = make_label(shape)
    memberships = memberships_of(label, radius=radius)
    torch.testing.assert_close(memberships.double(), memberships_by_scipy(label, radius=radius), rtol=0, atol=1e-7)


@pytest.mark.parametrize("shape", [(6, 5), (5, 4, 3)], ids=["2d", "3d"])
def test_labelled_class_gets_eq_4_as_printed(shape):
    label = random_label(shape, classes=3)
    labelled = memberships_of(label, classes=3).gather(0, label.unsqueeze(0))[0]
    torch.testing.assert_close(labelled, share_of_neighbours_alike(label), rtol=0, atol=1e-7)


def test_cube_larger_than_the_image_counts_every_other_voxel():
    label = random_label((3, 4, 2))
    onehot = as_onehot(label)[0].double()
    others = (onehot.sum(dim=(1, 2, 3), keepdim=True) - onehot) / (label.numel() - 1)
    torch.testing.assert_close(memberships_of(label, radius=5).double(), others, rtol=0, atol=1e-7)


def test_a_volume_of_one_slice_is_an_image():
    label = random_label((9, 7))
    assert torch.equal(memberships_of(label[None])[:, 0], memberships_of(label))


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
def test_sums_to_one_and_lies_between_0_and_1(shape, radius):
    memberships = memberships_of(random_label(shape), radius=radius)
    torch.testing.assert_close(memberships.sum(dim=0), torch.ones(shape), rtol=0, atol=1e-6)
    assert memberships.dtype == torch.float32
    assert 0 <= memberships.min() <= memberships.max() <= 1


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("shape", [(24, 31), (14, 17, 12)], ids=["2d", "3d"])
def test_one_hot_exactly_where_all_neighbours_agree(shape, radius):
    label = blocky_label(shape)
    footprint = neighbours(radius, len(shape)).astype(bool)
    values = label.numpy().astype(float)
    highest = ndimage.maximum_filter(values, footprint=footprint, mode="constant", cval=-np.inf)
    lowest = ndimage.minimum_filter(values, footprint=footprint, mode="constant", cval=np.inf)
    agree = torch.from_numpy(highest == lowest)
    memberships = memberships_of(label, radius=radius)
    assert torch.equal(memberships.amax(dim=0) == 1, agree)
    assert torch.equal((memberships == 0).sum(dim=0) == CLASSES - 1, agree)
    assert 0.01 < agree.double().mean() < 0.99


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
def test_flips_and_transposition_commute_with_it(shape, radius):
    label = random_label(shape)
    memberships = memberships_of(label, radius=radius)
    for axis in range(len(shape)):
        assert torch.equal(memberships_of(label.flip(axis), radius=radius), memberships.flip(axis + 1))
    for order in itertools.permutations(range(len(shape))):
        turned = memberships.permute(0, *[axis + 1 for axis in order])
        assert torch.equal(memberships_of(label.permute(order), radius=radius), turned)


def test_renaming_the_classes_renames_the_memberships():
    label, order = random_label((8, 7)), torch.tensor([2, 0, 3, 1])
    assert torch.equal(memberships_of(order[label])[order], memberships_of(label))


def test_cases_of_a_batch_do_not_mix():
    labels = [random_label((6, 7, 5), seed=seed) for seed in range(3)]
    together = fuzzy_membership(torch.cat([as_onehot(label) for label in labels]))
    assert torch.equal(together, torch.stack([memberships_of(label) for label in labels]))
