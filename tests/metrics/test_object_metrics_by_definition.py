"""Scores on objects agree with a plain reading of their definition."""

import numpy as np
import pytest
from object_images import SHAPE, random_image, scores, spoilt
from scipy.spatial.distance import cdist

from shared.metrics import object_sums


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
