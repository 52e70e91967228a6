"""Memberships counted by hand: rows, cubes, flat boundaries, spheres, rims."""

import pytest
import torch
from fuzzy_labels import as_onehot, cube, memberships_of

from shared.transforms import flipped_share


def distance_from_centre(size=21):
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).square().sum(dim=0).sqrt()


def test_a_row_of_voxels_counts_left_and_right_neighbours():
    """In a 1 x 4 image every voxel has its left and right neighbour, at the ends only one."""
    label = torch.tensor([[0, 0, 1, 1]])
    assert memberships_of(label, classes=2).tolist() == [[[1, 0.5, 0.5, 0]], [[0, 0.5, 0.5, 1]]]


def test_corner_edge_and_inside_count_3_5_and_8_neighbours():
    label = torch.zeros(3, 3, dtype=torch.int64)
    label[1, 1] = 1
    expected = torch.tensor([[1 / 3, 1 / 5, 1 / 3], [1 / 5, 0, 1 / 5], [1 / 3, 1 / 5, 1 / 3]])
    torch.testing.assert_close(memberships_of(label, classes=2)[1], expected, rtol=0, atol=1e-7)


def test_single_voxel_has_membership_0_in_its_own_class():
    memberships, label = memberships_of(cube(1), classes=2), cube(1)
    assert memberships[1][label == 1].tolist() == [0.0]
    assert memberships[0][label == 1].tolist() == [1.0]
    torch.testing.assert_close(memberships[1].max(), torch.tensor(1 / 26))


def test_cube_of_2_keeps_7_of_26_and_loses_all_its_voxels():
    label = cube(2)
    memberships = memberships_of(label, classes=2)
    torch.testing.assert_close(memberships[1][label == 1], torch.full((8,), 7 / 26))
    assert flipped_share(as_onehot(label, 2), memberships[None])[1] == 1


def test_cube_of_3_loses_20_of_27_voxels():
    """A face's centre keeps 17 of 26 and the centre 26 of 26; an edge (11) and a corner (7) lose the majority."""
    label = cube(3)
    memberships = memberships_of(label, classes=2)
    counts = (memberships[1][label == 1] * 26).round().int().tolist()
    assert {count: counts.count(count) for count in set(counts)} == {7: 8, 11: 12, 17: 6, 26: 1}
    torch.testing.assert_close(flipped_share(as_onehot(label, 2), memberships[None])[1], torch.tensor(20 / 27))


def test_flat_boundary_is_17_to_9_and_nothing_flips():
    label = torch.zeros(8, 8, 8, dtype=torch.int64)
    label[4:] = 1
    memberships = memberships_of(label, classes=2)
    inside = memberships[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(inside[0, 3], torch.full((6, 6), 17 / 26))
    torch.testing.assert_close(inside[1, 3], torch.full((6, 6), 9 / 26))
    torch.testing.assert_close(inside[0, 4], torch.full((6, 6), 9 / 26))
    assert set(memberships[0, [0, 1, 2, 5, 6, 7]].unique().tolist()) == {0.0, 1.0}
    assert flipped_share(as_onehot(label, 2), memberships[None]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("radius_in_voxels", "voxels", "dice"),
    [(1.5, 19, 0.10), (2, 33, 0.35), (3, 123, 0.79), (4, 257, 0.88), (6, 925, 0.96)],
)
def test_small_spheres_are_erased(radius_in_voxels, voxels, dice):
    label = (distance_from_centre() <= radius_in_voxels).long()
    majority = memberships_of(label, classes=2).argmax(dim=0)
    assert label.sum() == voxels
    assert (2 * (majority * label).sum() / (majority.sum() + label.sum())).item() == pytest.approx(dice, abs=0.005)


@pytest.mark.parametrize(
    ("thickness", "membership", "flipped"), [(1, (0.33, 0.37), (0.75, 0.85)), (2, (0.6, 0.7), (0.0, 0.15))]
)
def test_thin_rim_points_to_other_classes(thickness, membership, flipped):
    """Necrosis inside, an enhancing rim, oedema outside: one voxel is too thin, two are enough."""
    distance = distance_from_centre()
    label = torch.where(distance < 9 - thickness, 1, torch.where(distance < 9, 3, 2))
    memberships = memberships_of(label)
    assert membership[0] < memberships[3][label == 3].mean() < membership[1]
    assert flipped[0] <= flipped_share(as_onehot(label), memberships[None])[3] < flipped[1]
