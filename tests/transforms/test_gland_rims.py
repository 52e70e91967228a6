"""Every gland keeps a rim of epithelium, and none along the image's end."""

import numpy as np
import pytest
from grey_glands import BRIGHT, DARK, random_glands, regions_of
from scipy import ndimage


def test_an_all_bright_gland_keeps_a_rim_of_five_micrometres():
    gland = np.zeros((40, 60), bool)
    gland[8:33, 10:50] = True
    grey = np.where(gland, BRIGHT, DARK)
    grey[20, 30] = DARK  # two levels, so that a threshold exists
    expected = np.zeros_like(gland)
    expected[13:28, 15:45] = True  # five pixels of 1 um at each side
    expected[[13, 13, 27, 27], [15, 44, 15, 44]] = False  # corners: opening rounds them
    np.testing.assert_array_equal(regions_of(grey, gland) == 2, expected)


def test_touching_glands_keep_a_rim_between_them():
    instances = np.zeros((40, 80), int)
    instances[5:35, 5:40], instances[5:35, 40:75] = 3, 70000
    grey = np.full(instances.shape, BRIGHT)
    grey[0] = DARK
    grey[:, 20:22] = DARK
    regions = regions_of(grey, instances)
    assert (regions[20, 35:45] == 1).all()
    assert regions[20, 34] == regions[20, 45] == 2
    assert regions_of(grey, instances > 0)[20, 38] == 2  # one gland has none


def test_the_end_of_the_image_is_no_border_of_a_gland():
    gland = np.zeros((40, 60), bool)
    gland[:25, :30] = True
    grey = np.where(gland, BRIGHT, DARK)
    grey[0, 0] = DARK
    lumen = regions_of(grey, gland) == 2
    assert lumen[:19, :24].mean() > 0.99
    assert lumen[0, 2]
    assert lumen[19, 0]
    assert not lumen[20:].any()
    whole = np.full((30, 40), BRIGHT)
    whole[:2, :2] = DARK
    assert (regions_of(whole, np.ones((30, 40))) == 2).mean() > 0.98


@pytest.mark.parametrize("method", ["bright", "ring"])
@pytest.mark.parametrize("pixel_size_um", [0.62, 1.24, 4.0, 20.0])
def test_lumen_never_touches_stroma_or_another_gland(method, pixel_size_um):
    found = 0
    for seed in range(6):
        grey, instances = random_glands(seed)
        regions = regions_of(grey, instances, pixel_size_um, method)
        np.testing.assert_array_equal(regions > 0, instances > 0)
        lumen = regions == 2
        found += lumen.sum()
        assert not (ndimage.binary_dilation(regions == 0, np.ones((3, 3))) & lumen).any()
        for number in np.unique(instances[lumen]):
            own = lumen & (instances == number)
            around = ndimage.binary_dilation(own, np.ones((3, 3)))
            assert set(np.unique(instances[around])) == {number}
    assert found > 0
