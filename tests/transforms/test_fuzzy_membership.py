import itertools

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import CenterSpatialCropd, Compose, Rotate, SpatialCropd
from scipy import ndimage

from shared.transforms import (
    FuzzyMembership,
    FuzzyMembershipd,
    flipped_share,
    fuzzy_membership,
    keep_argmax,
)

SHAPES = [(11, 8), (7, 9, 6)]
CLASSES = 4


def random_label(shape, classes=CLASSES, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, classes, shape))


def blocky_label(shape, seed=0):
    """Classes in blocks of 5 voxels, so that there are boundaries as well as insides."""
    label = random_label([(size + 4) // 5 for size in shape], seed=seed)
    for axis, size in enumerate(shape):
        label = label.repeat_interleave(5, dim=axis).narrow(axis, 0, size)
    return label


def as_onehot(label, classes=CLASSES):
    """Turn classes (*spatial) into (1, C, *spatial)."""
    return torch.nn.functional.one_hot(label, classes).movedim(-1, 0).unsqueeze(0)


def memberships_of(label, classes=CLASSES, radius=1):
    """(C, *spatial) by the code under test."""
    return fuzzy_membership(as_onehot(label, classes), radius)[0]


def neighbours(radius, dimensions):
    kernel = np.ones([2 * radius + 1] * dimensions)
    kernel[(radius,) * dimensions] = 0
    return kernel


def filtered(image, radius):
    return ndimage.convolve(image.astype(np.float64), neighbours(radius, image.ndim), mode="constant")


def memberships_by_scipy(label, classes=CLASSES, radius=1):
    label = label.numpy()
    counted = np.stack([filtered(label == index, radius) for index in range(classes)])
    return torch.from_numpy(counted / filtered(np.ones(label.shape), radius))


def cube(side, size=9):
    """Return a cube of class 1 inside class 0, never at the border."""
    label = torch.zeros(size, size, size, dtype=torch.int64)
    label[(slice(3, 3 + side),) * 3] = 1
    return label


def distance_from_centre(size=21):
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).square().sum(dim=0).sqrt()


def share_of_neighbours_alike(label):
    """Eq. 4 as printed, one voxel after the other: the share of existing neighbours with the voxel's own label."""
    shares = torch.empty(label.shape)
    for voxel in itertools.product(*map(range, label.shape)):
        ranges = [range(max(i - 1, 0), min(i + 2, size)) for i, size in zip(voxel, label.shape)]
        around = [label[other] == label[voxel] for other in itertools.product(*ranges) if other != voxel]
        shares[voxel] = sum(map(int, around)) / len(around)
    return shares


# numbers by hand


def test_row_of_voxels_by_hand():
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


# independent implementations


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


# properties


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


# patches


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("start", [(4, 5, 3), (0, 0, 0), (8, 3, 0)], ids=["inside", "corner", "edge"])
def test_patch_with_a_margin_is_exact(start, radius):
    """A margin wherever the image goes on; at the image's own border there is nothing to add."""
    size, label = (6, 7, 8), random_label((14, 15, 16))
    patch = tuple(slice(first, first + length) for first, length in zip(start, size))
    wide = tuple(slice(max(part.start - radius, 0), part.stop + radius) for part in patch)
    centre = tuple(slice(part.start - whole.start, part.stop - whole.start) for part, whole in zip(patch, wide))
    whole_image = memberships_of(label, radius=radius)[(slice(None), *patch)]
    assert torch.equal(memberships_of(label[wide], radius=radius)[(slice(None), *centre)], whole_image)
    narrow = memberships_of(label[patch], radius=radius)
    assert not torch.equal(narrow, whole_image)
    inside = (slice(None), *[slice(radius, -radius)] * 3)
    assert torch.equal(narrow[inside], whole_image[inside])


@pytest.mark.parametrize("radius", [1, 2])
def test_pipeline_with_a_margin_gives_the_memberships_of_the_whole_image(radius):
    label = MetaTensor(random_label((14, 15, 16)).unsqueeze(0))
    centre, size = (7, 7, 8), (6, 6, 8)
    pipeline = Compose(
        [
            SpatialCropd("label", roi_center=centre, roi_size=[length + 2 * radius for length in size]),
            FuzzyMembershipd("label", num_classes=CLASSES, radius=radius),
            CenterSpatialCropd(["label", "memberships"], roi_size=size),
        ]
    )
    whole = {"label": label, "memberships": FuzzyMembership(CLASSES, radius)(label)}
    expected = SpatialCropd(["label", "memberships"], roi_center=centre, roi_size=size)(whole)
    patch = pipeline({"label": label})
    assert torch.equal(patch["label"].as_tensor(), expected["label"].as_tensor())
    assert torch.equal(torch.as_tensor(patch["memberships"]), torch.as_tensor(expected["memberships"]))


@pytest.mark.parametrize("shape", [(20, 24), (12, 14, 10)], ids=["2d", "3d"])
def test_corners_filled_by_a_rotation_are_background(shape):
    """After a nearest-neighbour rotation the label is one again; rotated memberships would lose their sum."""
    label = torch.full((1, *shape), 2)
    turn = Rotate(0.6 if len(shape) == 2 else (0.6, 0.0, 0.0), keep_size=True, mode="nearest", padding_mode="zeros")
    turned = turn(label)
    memberships = torch.as_tensor(FuzzyMembership(CLASSES)(turned))
    expected = memberships_by_scipy(torch.as_tensor(turned)[0].long())
    torch.testing.assert_close(memberships.double(), expected, rtol=0, atol=1e-7)
    torch.testing.assert_close(memberships.sum(dim=0), torch.ones(shape), rtol=0, atol=1e-6)
    assert memberships.flatten(1).unique(dim=1).shape[1] > 3
    assert (memberships[0] == 1).any()
    rotated_memberships = turn(torch.as_tensor(FuzzyMembership(CLASSES)(label)), mode="bilinear")
    assert rotated_memberships.sum(dim=0).min() == 0


# transforms


@pytest.mark.parametrize("keeps_argmax", [False, True])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
def test_array_transform_is_the_function(shape, dtype, keeps_argmax):
    label = random_label(shape)
    onehot = as_onehot(label)
    expected = fuzzy_membership(onehot, 2)
    expected = keep_argmax(onehot, expected) if keeps_argmax else expected
    memberships = FuzzyMembership(CLASSES, radius=2, keep_argmax=keeps_argmax)(label.unsqueeze(0).to(dtype))
    assert memberships.dtype == torch.float32
    assert torch.equal(memberships, expected[0])


def test_transforms_keep_position_and_spacing():
    affine = torch.tensor([[0.0, 2.0, 0.0, 5.0], [-1.5, 0.0, 0.0, 7.0], [0.0, 0.0, 3.0, -9.0], [0.0, 0.0, 0.0, 1.0]])
    label = MetaTensor(random_label((6, 7, 8)).unsqueeze(0), affine=affine)
    memberships = FuzzyMembershipd("label", CLASSES)({"label": label})["memberships"]
    torch.testing.assert_close(memberships.affine, label.affine)


def test_dictionary_transform_adds_an_item_and_leaves_the_others():
    data = {"image": torch.rand(1, 6, 7), "label": random_label((6, 7)).unsqueeze(0)}
    before = data["label"].clone()
    result = FuzzyMembershipd("label", CLASSES, radius=2, keep_argmax=True)(data)
    assert set(data) == {"image", "label"}
    assert set(result) == {"image", "label", "memberships"}
    assert result["image"] is data["image"]
    assert torch.equal(result["label"], before)
    assert torch.equal(result["memberships"], FuzzyMembership(CLASSES, 2, keep_argmax=True)(before))
    renamed = FuzzyMembershipd("label", CLASSES, memberships_key="fuzzy")(data)
    assert torch.equal(renamed["fuzzy"], FuzzyMembership(CLASSES)(before))


def test_dictionary_transform_misses_its_label():
    with pytest.raises(KeyError, match="label"):
        FuzzyMembershipd("label", CLASSES)({"image": torch.rand(1, 6, 7)})
    data = {"image": torch.rand(1, 6, 7)}
    assert set(FuzzyMembershipd("label", CLASSES, allow_missing_keys=True)(data)) == {"image"}


def test_soft_labels_are_refused_instead_of_cut_to_zero():
    with pytest.raises(ValueError, match="onehot must hold zeros and ones"):
        fuzzy_membership(torch.full((1, 2, 4, 4), 0.5))
