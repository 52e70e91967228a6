"""The contour is drawn into the epithelium."""

import numpy as np
import pytest
import torch
from grey_glands import BRIGHT, DARK, numbers, picture, random_glands, regions_of

from shared.errors import InputError
from shared.transforms import GlandRegionsd, gland_regions


def test_contour_is_the_epithelium_along_each_border_but_not_along_the_image():
    """Two glands that meet at column 30, the first cut by the image's upper end: three pixels of 1 um each."""
    instances = np.zeros((40, 60), int)
    instances[0:30, 10:30], instances[10:30, 30:50] = 1, 2
    grey = np.full(instances.shape, DARK)
    grey[20, 40] = BRIGHT
    image = picture(grey)
    regions = gland_regions(image, numbers(instances), 1.0, contour_um=3.0)[0].numpy()
    expected = (instances > 0) * 3
    expected[0:27, 13:27] = expected[13:27, 33:47] = 1
    np.testing.assert_array_equal(regions, expected)
    without = gland_regions(image, numbers(instances), 1.0)[0].numpy()
    np.testing.assert_array_equal(np.where(regions == 3, 1, regions), without)


@pytest.mark.parametrize("seed", range(3))
def test_contour_touches_no_lumen_pixel_and_leaves_the_three_regions_as_they_were(seed):
    grey, instances = random_glands(seed)
    before = regions_of(grey, instances)
    after = gland_regions(picture(grey), numbers(instances), 1.0, contour_um=5.0)[0].numpy()
    assert (before == 2).any()
    np.testing.assert_array_equal(after == 2, before == 2)
    np.testing.assert_array_equal(np.where(after == 3, 1, after), before)


def test_contour_is_drawn_into_the_epithelium_of_a_loaded_map():
    instances = np.zeros((20, 30), int)
    instances[4:16, 5:25] = 1
    label = (instances > 0).astype(np.int8)
    label[4:8, 10:15] = 2  # corrected by hand: lumen up to the border
    data = {"image": picture(np.full(instances.shape, DARK)), "instances": numbers(instances), "label": numbers(label)}
    drawn = GlandRegionsd(1.0, contour_um=2.0)(data)["label"]
    expected = np.where(instances > 0, 3, 0)
    expected[6:14, 7:23] = 1
    expected[4:8, 10:15] = 2
    np.testing.assert_array_equal(drawn[0].numpy(), expected)
    assert drawn.dtype == torch.int8
    assert data["label"].max() == 2


@pytest.mark.parametrize("width", [0, -1.0, 5.1])
def test_contour_may_not_be_wider_than_the_rim(width):
    with pytest.raises(InputError, match=f"contour_um: expected at most 5 um, the rim's width, or None, got {width}"):
        GlandRegionsd(1.0, contour_um=width)
