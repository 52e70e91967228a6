"""Scores on objects, worked out by hand."""

import numpy as np
import pytest
from object_images import scores

from shared.metrics import object_dice, object_f1, object_hausdorff, object_sums


def image(*objects, shape=(20, 30)):
    """Rectangles (id, first row, row after the last, first column, column after the last)."""
    ids = np.zeros(shape, dtype=np.int32)
    for number, *rows_and_columns in objects:
        top, bottom, left, right = rows_and_columns
        ids[top:bottom, left:right] = number
    return ids


def test_one_gland_found_and_one_missed():
    """Gland 1 is found but for two columns; gland 2 is missed, and something else is segmented."""
    truth = image((1, 0, 10, 0, 10), (2, 12, 18, 10, 20))  # 100 and 60 pixels
    prediction = image((5, 0, 10, 2, 10), (9, 0, 10, 26, 30))  # 80 and 40 pixels
    assert object_f1([prediction], [truth]) == 2 * 1 / (2 + 2)
    assert object_dice([prediction], [truth]) == pytest.approx((80 / 120 + 100 / 160) / 2 * (2 * 80 / 180))
    # 9 is 26 columns from the far side of 1, but 16 columns and 8 rows from that of 2; from 2 it is 12, 8 to 5
    segmented = 80 / 120 * 2 + 40 / 120 * np.hypot(16, 8)
    true = 100 / 160 * 2 + 60 / 160 * np.hypot(12, 8)
    assert object_hausdorff([prediction], [truth]) == pytest.approx((segmented + true) / 2)
    assert object_hausdorff([prediction], [truth], pixel_size_um=0.62) == pytest.approx(0.62 * (segmented + true) / 2)


def test_exactly_half_of_a_gland_is_not_detected():
    truth = image((1, 0, 10, 0, 10))
    assert object_f1([image((1, 0, 10, 0, 5))], [truth]) == 0
    assert object_f1([image((1, 0, 10, 0, 5), (2, 0, 10, 5, 10))], [truth]) == 0
    assert object_f1([image((1, 0, 10, 0, 5), (2, 0, 10, 5, 6))], [truth]) == 0
    assert object_f1([image((1, 0, 10, 0, 6), (2, 0, 10, 6, 10))], [truth]) == pytest.approx(2 / 3)


def test_of_equal_overlaps_the_smallest_id_is_the_partner():
    """Three columns of either neighbour: more than half of the narrow one, less than half of the wide one."""
    prediction = image((1, 0, 4, 4, 10))
    assert object_f1([prediction], [image((2, 0, 4, 2, 7), (3, 0, 4, 7, 14))]) == pytest.approx(2 / 3)
    assert object_f1([prediction], [image((4, 0, 4, 2, 7), (3, 0, 4, 7, 14))]) == 0


def test_partners_are_sought_in_the_same_image_and_weights_in_all():
    """Image one: 10 of 10 pixels; image two: a gland of 90 pixels missed. The mean over images would be a half."""
    found, missed, nothing = image((1, 0, 1, 0, 10)), image((1, 0, 9, 0, 10)), image()
    assert object_f1([found, nothing], [found, missed]) == pytest.approx(2 / 3)
    assert object_dice([found, nothing], [found, missed]) == pytest.approx((1 + 10 / 100) / 2)
    diagonal = np.hypot(20, 30)
    assert object_hausdorff([found, nothing], [found, missed]) == pytest.approx((0 + 0.9 * diagonal) / 2)
    assert object_f1([nothing, found], [found, nothing]) == 0


def test_images_without_objects_score_best_if_both_lack_them_and_worst_if_one_does():
    nothing, gland = image(), image((7, 3, 9, 4, 8))
    diagonal = np.hypot(20, 30)
    assert scores([nothing], [nothing]) == (1, 1, 0)
    assert scores([nothing], [gland]) == pytest.approx((0, 0, diagonal))
    assert scores([gland], [nothing]) == pytest.approx((0, 0, diagonal))
    assert object_hausdorff([gland], [nothing], pixel_size_um=1.24) == pytest.approx(1.24 * diagonal)
    assert scores([nothing, gland], [nothing, gland]) == (1, 1, 0)
    pairs = [(nothing, nothing), (nothing, gland), (gland, nothing), (gland, gland)]
    assert [object_sums(*pair).one_sided for pair in pairs] == [0, 1, 1, 0]


def test_distance_is_over_all_pixels_not_over_edges():
    """A hole of 11 x 11 pixels: its centre is 6 pixels from what is left, and its outer edge costs nothing."""
    whole = image((1, 2, 23, 2, 23), shape=(25, 25))
    with_hole = whole.copy()
    with_hole[7:18, 7:18] = 0
    assert object_hausdorff([with_hole], [whole]) == 6


def test_image_full_of_objects():
    """No background at all: the smallest id is an object, not the background."""
    truth = np.repeat([[4, 4, 4, 9, 9]], 4, axis=0)
    assert scores([truth], [truth]) == (1, 1, 0)
    assert object_sums(np.full((4, 5), 3), truth).predicted == 1


def test_says_what_is_no_instance_map():
    gland = image((1, 2, 4, 2, 4))
    for function in (object_f1, object_dice, object_hausdorff):
        with pytest.raises(ValueError, match="as many predictions as truths, at least one; got 1 and 2"):
            function([gland], [gland, gland])
        with pytest.raises(ValueError, match="got 0 and 0"):
            function([], [])
        with pytest.raises(ValueError, match=r"shapes differ: prediction \(20, 30\), truth \(20, 20\)"):
            function([gland], [gland[:, :20]])
        with pytest.raises(ValueError, match=r"truth must be a map \(H, W\) of integer object ids, got float64"):
            function([gland], [gland / 1.0])
        with pytest.raises(ValueError, match=r"prediction must be a map .* got int32 \(1, 20, 30\)"):
            function([gland[None]], [gland])
        with pytest.raises(ValueError, match="truth has a negative object id, -1"):
            function([gland], [-gland])
