import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy.spatial.distance import cdist
from skimage.measure import label, regionprops

from shared.transforms import GlandInstancesd, gland_instances

PIXEL = {"pixel_size_um": 0.62}


def ring(states, rows, columns, rim=6):
    """Put a rectangular gland into a state map: epithelium around a lumen."""
    states[slice(*rows), slice(*columns)] = 1
    states[rows[0] + rim : rows[1] - rim, columns[0] + rim : columns[1] - rim] = 2
    return states


def touching_pair():
    """Two glands of 40 x 30 pixels side by side, and one without a lumen apart from them."""
    states = ring(ring(np.zeros((60, 80), dtype=np.uint8), (5, 45), (5, 35)), (5, 45), (35, 65))
    states[50:58, 30:50] = 1
    return states


def test_components_are_glands_and_corners_connect():
    states = np.zeros((40, 40), dtype=np.uint8)
    states[2:14, 2:14] = 1
    states[14:26, 14:26] = 2  # touches the first at a corner
    states[28:40, 0:12] = 1
    expected = (states > 0).astype(np.int32)
    expected[28:] *= 2
    glands = gland_instances(states, **PIXEL)
    assert glands.dtype == np.int32
    assert np.array_equal(glands, expected)


def test_holes_are_filled():
    states = ring(np.zeros((40, 40), dtype=np.uint8), (4, 30), (4, 30))
    states[12:20, 12:20] = 0  # stroma inside the lumen
    states[15:17, 15:17] = 1  # and an island in it
    glands = gland_instances(states, **PIXEL)
    assert np.array_equal(glands > 0, np.pad(np.ones((26, 26), bool), ((4, 10), (4, 10))))
    assert glands.max() == 1


@pytest.mark.parametrize(("pixel_size_um", "smallest"), [(0.62, 100), (0.62005, 100), (1.24, 25), (0.31, 400)])
def test_smallest_gland_is_an_area_in_micrometres(pixel_size_um, smallest):
    states = np.zeros((3, 500), dtype=np.uint8)
    states[0, :smallest] = 1
    states[2, : smallest - 1] = 1
    glands = gland_instances(states, pixel_size_um)
    assert [(glands == number).sum() for number in (0, 1)] == [1500 - smallest, smallest]
    assert gland_instances(states, pixel_size_um, min_area_um2=0).max() == 2


def test_area_counts_the_filled_hole():
    states = np.ones((10, 10), dtype=np.uint8)
    states[1:9, 1:9] = 0
    assert gland_instances(states, **PIXEL).sum() == 100


def test_agrees_with_scikit_image():
    """A hole is background that no path from side to side joins to the border; numbers are in order of first pixels."""
    blocks = np.random.default_rng(0).integers(0, 5, (20, 20))
    states = np.kron(np.select([blocks == 3, blocks == 4], [1, 2]), np.ones((7, 9), dtype=np.uint8))
    background = label(states == 0, connectivity=1)
    border = np.concatenate([background[0], background[-1], background[:, 0], background[:, -1]])
    filled = label(~np.isin(background, border[border > 0]), connectivity=2)
    large = [region.label for region in regionprops(filled) if region.area * 0.62**2 >= 60]
    expected = sum((number * (filled == name) for number, name in enumerate(large, start=1)), np.zeros_like(filled))
    assert 3 < len(large) < filled.max()
    assert (filled > 0).sum() > (states > 0).sum()
    assert np.array_equal(gland_instances(states, **PIXEL, min_area_um2=60), expected)


def test_touching_glands_are_parted_by_their_lumens_only_on_demand():
    states = touching_pair()
    assert gland_instances(states, **PIXEL).max() == 2
    parted = gland_instances(states, **PIXEL, lumen_seeds=True)
    assert [(parted == number).sum() for number in (1, 2, 3)] == [40 * 30, 40 * 30, 8 * 20]
    assert set(np.unique(parted[:, :35])) == {0, 1, 3}
    assert set(np.unique(parted[:48, 35:])) == {0, 2}


def test_the_cut_is_halfway_between_the_lumens():
    """Lumens in columns 3 to 9 and 30 to 59: columns 10 to 19 are nearer to the first, whatever the lumens' sizes."""
    states = np.ones((20, 90), dtype=np.uint8)
    states[5:15, 3:10] = 2
    states[2:18, 30:60] = 2
    parted = gland_instances(states, **PIXEL, lumen_seeds=True)
    first, second = parted[10, 3], parted[10, 40]
    assert {first, second} == {1, 2}
    assert (parted[10] == np.where(np.arange(90) < 20, first, second)).all()


def test_nearer_is_meant_in_a_straight_line():
    """Not in steps to one of the eight neighbours, by which 6 % of these pixels would go to the other lumen."""
    states = np.ones((60, 60), dtype=np.uint8)
    states[4:12, 4:12] = states[50:56, 20:30] = 2
    places = np.indices(states.shape).reshape(2, -1).T
    first, second = [cdist(places, places[part]).min(axis=1) for part in lumens_of(states)]
    parted = gland_instances(states, **PIXEL, lumen_seeds=True).ravel()
    assert ((parted == parted[4 * 60 + 4]) == (first < second)).mean() > 0.98


def lumens_of(states):
    above = np.indices(states.shape)[0].ravel() < 30
    return [(states.ravel() == 2) & half for half in (above, ~above)]


def discs_that_touch(gap=()):
    """Two discs of radius 18 whose centres are 34 pixels apart, each with a contour of 3; stroma around them."""
    rows, columns = np.mgrid[:50, :90]
    distances = np.stack([np.hypot(rows - 25, columns - centre) for centre in (28, 62)])
    states = np.where(distances.min(axis=0) <= 18, 3, 0).astype(np.uint8)
    states[distances.min(axis=0) <= 15] = 1
    states[distances[0] <= 6] = 2
    for row in gap:
        states[row, 40:50] = 1
    return states, distances.argmin(axis=0)


@pytest.mark.parametrize("gap", [(), (25,), (24, 25, 26)], ids=["closed", "one pixel", "three pixels"])
def test_contours_part_discs_that_touch_and_belong_to_the_nearer_one(gap):
    states, nearer = discs_that_touch(gap)
    glands = gland_instances(states, **PIXEL)
    assert glands.max() == 2
    assert np.array_equal(glands > 0, states > 0)
    assert (glands == np.where(states > 0, 1 + nearer, 0)).mean() > 0.99
    assert gland_instances(np.minimum(states, 1), **PIXEL).max() == 1  # without the contour they are one


def test_without_opening_a_gap_in_a_contour_joins():
    states, _ = discs_that_touch(gap=(25,))
    assert gland_instances(states, **PIXEL, opening_um=0).max() == 1


def test_gland_of_contour_alone_and_lumen_taken_for_stroma():
    """A small gland without an inside stays; a hole in an inside is filled and makes no gland of its own."""
    states, _ = discs_that_touch()
    states[states == 2] = 0
    states[2:12, 2:14] = 3
    glands = gland_instances(states, **PIXEL)
    assert glands.max() == 3
    assert np.unique(glands[2:12, 2:14]).tolist() == [3]
    assert glands[25, 28] == glands[25, 20] > 0


def test_glands_around_stroma_are_no_gland_more():
    """Four glands that meet enclose stroma: it goes to its neighbours, as any hole."""
    states = np.zeros((60, 60), np.uint8)
    for rows, columns in (((0, 60), (0, 20)), ((0, 60), (40, 60)), ((0, 20), (20, 40)), ((40, 60), (20, 40))):
        part = (slice(*rows), slice(*columns))
        states[part] = 3
        states[rows[0] + 3 : rows[1] - 3, columns[0] + 3 : columns[1] - 3] = 1
    assert gland_instances(states, **PIXEL).max() == 4


def test_speck_of_lumen_is_no_seed():
    states = touching_pair()
    states[20:24, 35:49] = 1
    states[11:39, 41:59] = 1
    states[24:27, 45:49] = 2  # 12 pixels, 4.6 um2
    assert gland_instances(states, **PIXEL, lumen_seeds=True).max() == 2
    assert gland_instances(states, **PIXEL, lumen_seeds=True, min_lumen_area_um2=4.6).max() == 3


def test_stroma_alone():
    states = np.zeros((7, 9), dtype=np.uint8)
    for lumen_seeds in (False, True):
        assert not gland_instances(states, **PIXEL, lumen_seeds=lumen_seeds).any()


def test_dictionary_version():
    data = {"pred": MetaTensor(torch.as_tensor(touching_pair()[None]), meta={"spacing": 0.62}), "case": "a"}
    numbered = GlandInstancesd("pred", **PIXEL, lumen_seeds=True)(data)
    assert numbered["pred_instances"].shape == (1, 60, 80)
    assert numbered["pred_instances"].dtype == torch.int32
    assert numbered["pred_instances"].meta["spacing"] == 0.62
    assert np.array_equal(numbered["pred_instances"][0], gland_instances(touching_pair(), **PIXEL, lumen_seeds=True))
    assert numbered["pred"] is data["pred"]
    assert set(data) == {"pred", "case"}
    plain = GlandInstancesd("label", **PIXEL, min_area_um2=100, postfix="glands")({"label": data["pred"]})
    assert plain["label_glands"].max() == 1


def test_says_what_is_no_state_map():
    with pytest.raises(ValueError, match=r"\(H, W\) with the values 0, 1, 2, 3, got \(4, 4\) with \[0, 7\]"):
        gland_instances(7 * np.eye(4, dtype=int), **PIXEL)
    with pytest.raises(ValueError, match=r"got \(1, 4, 4\)"):
        gland_instances(np.ones((1, 4, 4), dtype=int), **PIXEL)
    with pytest.raises(ValueError, match="pixel_size_um must be positive, got 0"):
        gland_instances(np.ones((4, 4), dtype=int), 0)
