import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from monai.handlers import IgniteMetricHandler, from_engine
from scipy.spatial.distance import cdist

from shared.metrics import ObjectDiceMetric, ObjectSums, object_dice, object_f1, object_hausdorff, object_sums

SHAPE = (40, 56)


def image(*objects, shape=(20, 30)):
    """Rectangles (id, first row, row after the last, first column, column after the last)."""
    ids = np.zeros(shape, dtype=np.int32)
    for number, *rows_and_columns in objects:
        top, bottom, left, right = rows_and_columns
        ids[top:bottom, left:right] = number
    return ids


def random_image(random, objects):
    """Overlapping ellipses, the later ones in front, so that neighbours touch; ids with gaps and in no order."""
    rows, columns = np.indices(SHAPE)
    ids = np.zeros(SHAPE, dtype=np.int64)
    for number in random.permutation(np.arange(1, 40 * objects + 1))[:objects]:
        centre, radii = random.uniform((0, 0), SHAPE), random.uniform(2, 9, 2)
        ids[((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 < 1] = number
    return ids


def spoilt(random, truth):
    """A segmentation of the image: objects moved, missing, split, merged, invented, under other ids."""
    ids = np.roll(truth, random.integers(-3, 4, 2), (0, 1))
    present = random.permutation(np.unique(ids[ids > 0]))
    for number in present[: len(present) // 4]:
        ids[ids == number] = 0
    for number in present[len(present) // 4 : len(present) // 2]:
        ids[(ids == number) & (np.indices(SHAPE)[1] % 12 < 5)] = present.max() + number
    for number, other in zip(present[len(present) // 2 :: 2], present[len(present) // 2 + 1 :: 2]):
        ids[ids == other] = number
    invented = random_image(random, 2)
    return np.where((invented > 0) & (ids == 0), invented + 100_000, ids)


def plain_reading(predictions, truths):
    """F1, object Dice and object Hausdorff in pixels, read word by word from the definition: object after object."""
    objects = {"segmented": [], "true": []}  # (area, Dice, Hausdorff distance)
    positives = 0
    for segmented, true in zip(predictions, truths):
        for side, mine, theirs in [("segmented", segmented, true), ("true", true, segmented)]:
            others = [theirs == number for number in np.unique(theirs) if number != 0]
            for number in np.unique(mine):
                if number == 0:
                    continue
                one = mine == number
                overlaps = [(one & other).sum() for other in others]
                dice, distance = 0, np.hypot(*mine.shape)
                if any(overlaps):
                    other = others[overlaps.index(max(overlaps))]
                    dice = 2 * (one & other).sum() / (one.sum() + other.sum())
                    distance = hausdorff(one, other)
                    positives += side == "segmented" and (one & other).sum() > other.sum() / 2
                elif others:
                    distance = min(hausdorff(one, other) for other in others)
                objects[side].append((one.sum(), dice, distance))
    if not objects["segmented"] and not objects["true"]:
        return 1, 1, 0
    false_positives = len(objects["segmented"]) - positives
    false_negatives = len(objects["true"]) - positives
    means = []
    for listed in objects.values():
        total = sum(area for area, _, _ in listed)
        means.append([sum(area / total * one[what] for area, *one in listed) if listed else None for what in (0, 1)])
    dice = sum(mean[0] or 0 for mean in means) / 2
    distances = [mean[1] for mean in means if mean[1] is not None]
    return positives / (positives + (false_positives + false_negatives) / 2), dice, sum(distances) / len(distances)


def hausdorff(one, other):
    apart = cdist(np.argwhere(one), np.argwhere(other))
    return max(apart.min(axis=0).max(), apart.min(axis=1).max())


def scores(predictions, truths):
    return (
        object_f1(predictions, truths),
        object_dice(predictions, truths),
        object_hausdorff(predictions, truths),
    )


def test_two_glands_by_hand():
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


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_a_plain_reading_of_the_definition(seed):
    random = np.random.default_rng(seed)
    truths = [random_image(random, objects) for objects in (0, 1, 6, 20)]
    predictions = [spoilt(random, truth) for truth in truths]
    if seed % 2:
        predictions[2] = np.zeros_like(predictions[2])
    assert scores(predictions, truths) == pytest.approx(plain_reading(predictions, truths), rel=1e-12)
    for pair in zip(predictions, truths):
        assert scores(*zip(pair)) == pytest.approx(plain_reading(*zip(pair)), rel=1e-12)


def test_more_objects_than_a_byte_counts():
    truth = np.zeros(SHAPE, dtype=np.int16)
    for place in range(300):
        row, column = divmod(place, 20)
        truth[2 * row : 2 * row + 2, 2 * column : 2 * column + 1 + place % 2] = place + 1
    prediction = np.roll(truth, 1, axis=0) * 100
    assert scores([prediction], [truth]) == pytest.approx(plain_reading([prediction], [truth]), rel=1e-12)
    assert object_sums(prediction, truth).predicted == 300


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


def test_images_without_objects():
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


def test_sums_pool_as_the_lists_do():
    random = np.random.default_rng(5)
    truths = [random_image(random, objects) for objects in (3, 0, 5)]
    predictions = [spoilt(random, truth) for truth in truths]
    together = sum((object_sums(*pair, pixel_size_um=0.5) for pair in zip(predictions, truths)), ObjectSums())
    assert (together.f1, together.dice) == pytest.approx(
        (object_f1(predictions, truths), object_dice(predictions, truths))
    )
    assert together.hausdorff_um == pytest.approx(object_hausdorff(predictions, truths, pixel_size_um=0.5))
    assert together.one_sided == 1  # something is always invented
    assert np.isnan(object_sums(predictions[0], truths[0], distances=False).hausdorff_um)


def test_kind_of_array_and_numbering_do_not_matter():
    random = np.random.default_rng(3)
    truth = random_image(random, 8)
    prediction = spoilt(random, truth)
    expected = scores([prediction], [truth])
    assert scores([torch.as_tensor(prediction)], [MetaTensor(truth)]) == expected
    renumbered = np.where(prediction > 0, 3 * prediction.astype(np.int64) + 70_000, 0)
    assert scores([renumbered], [truth.astype(np.uint16)]) == expected
    assert scores([prediction.T], [truth.T]) == pytest.approx(expected)
    swapped = scores([truth], [prediction])
    assert swapped[1:] == pytest.approx(expected[1:])


def test_image_full_of_objects():
    """No background at all: the smallest id is an object, not the background."""
    truth = np.repeat([[4, 4, 4, 9, 9]], 4, axis=0)
    assert scores([truth], [truth]) == (1, 1, 0)
    assert object_sums(np.full((4, 5), 3), truth).predicted == 1


def test_metric_of_monai_pools_over_batches():
    random = np.random.default_rng(1)
    truths = [random_image(random, objects) for objects in (5, 2, 9)]
    predictions = [spoilt(random, truth) for truth in truths]
    cases = [
        {"pred_instances": MetaTensor(prediction[None]), "instances": torch.as_tensor(truth[None])}
        for prediction, truth in zip(predictions, truths)
    ]
    evaluator = Engine(lambda engine, batch: batch)
    pairs = from_engine(["pred_instances", "instances"])
    IgniteMetricHandler(ObjectDiceMetric(), output_transform=pairs).attach(evaluator, "object_dice")
    evaluator.run([cases[:1], cases[1:]])
    assert evaluator.state.metrics["object_dice"] == pytest.approx(object_dice(predictions, truths), rel=1e-6)


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
