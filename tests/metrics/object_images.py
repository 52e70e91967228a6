"""Images of numbered objects, their segmentations, and all scores of them."""

import numpy as np

from shared.metrics import object_dice, object_f1, object_hausdorff

SHAPE = (40, 56)


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


def scores(predictions, truths):
    return (
        object_f1(predictions, truths),
        object_dice(predictions, truths),
        object_hausdorff(predictions, truths),
    )
