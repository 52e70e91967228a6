import time

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy.ndimage import binary_dilation, generate_binary_structure, label

from shared.metrics import LesionWiseMetric, dilated_lesion_scores, hausdorff_95, matched_lesion_scores

MM = (1.0, 1.0, 1.0)


def cubes(*places, shape=(40, 40, 40)):
    """Cubes given as (corner, side)."""
    region = np.zeros(shape, dtype=bool)
    for corner, side in places:
        region[tuple(slice(start, start + side) for start in corner)] = True
    return region


def test_a_missed_lesion_and_a_false_positive_count_as_lesions_with_dice_0_and_374_mm():
    """One of two lesions is found, shifted by one voxel (Dice 3/4); one component meets nothing: 0.75 / 3."""
    target = cubes(((4, 4, 4), 4), ((30, 30, 30), 4))
    prediction = cubes(((5, 4, 4), 4), ((20, 4, 30), 1))
    scores = dilated_lesion_scores(prediction, target, MM)
    assert scores.dice == (0.75, 0, 0)
    assert scores.hausdorff_95_mm == (1, 374, 374)
    assert (scores.missed, scores.false_positives) == (1, 1)
    assert scores.mean_dice == 0.25
    assert scores.mean_hausdorff_95_mm == pytest.approx(749 / 3)
    matched = matched_lesion_scores(prediction, target, MM)
    assert matched.dice == (0.75, 0, 0)
    assert matched.surface_dice == (1, 0, 0), "within one voxel"
    assert (matched.missed, matched.false_positives) == (1, 1)


def test_since_2025_means_are_those_of_the_matches():
    """One of two lesions is found with Dice 3/4, one component is invented: both count for F1 alone."""
    target = cubes(((4, 4, 4), 4), ((30, 30, 30), 4))
    scores = matched_lesion_scores(cubes(((5, 4, 4), 4), ((20, 4, 30), 1)), target, MM)
    assert (scores.mean_dice, scores.mean_hausdorff_95_mm, scores.mean_surface_dice) == (0.75, 1, 1)
    assert scores.f1() == 0.5
    scores = matched_lesion_scores(cubes(), target, MM)
    assert (scores.mean_dice, scores.mean_hausdorff_95_mm, scores.mean_surface_dice) == (0, 374, 0)


def test_distances_since_2025_by_hand():
    """Rows of 10 and 12 voxels: both together have distances 20 times 0, then 1 and 2 voxels of 2 mm.

    The 95th percentile of 22 numbers is 0.95 of the way from the 20th to the 21st. One of 12 voxels, and none of 10, is
    further than the tolerance.
    """
    target, prediction = np.zeros((2, 20, 3, 3), dtype=bool)
    target[2:12, 1, 1] = prediction[2:14, 1, 1] = True
    scores = matched_lesion_scores(prediction, target, (2, 3, 3))
    assert scores.hausdorff_95_mm == (pytest.approx(0.95 * 2),)
    assert scores.surface_dice == (pytest.approx((1 + 11 / 12) / 2),)


def test_f1_by_hand():
    """Of three lesions one is met well and one at a corner, Dice 2 / 128; one component meets nothing."""
    target = cubes(((4, 4, 4), 4), ((20, 20, 20), 4), ((4, 30, 30), 4))
    prediction = cubes(((5, 4, 4), 4), ((23, 23, 23), 4), ((30, 4, 4), 2))
    for scores in (dilated_lesion_scores(prediction, target, MM), matched_lesion_scores(prediction, target, MM)):
        assert sorted(scores.dice) == [0, 0, 2 / 128, 0.75]
        assert scores.f1() == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
        assert scores.f1(least_dice=0.1) == pytest.approx(2 / (2 + 2 + 1)), "one found, two missed, one false"
    nothing = cubes()
    assert matched_lesion_scores(nothing, nothing, MM).f1(0.1) == 1
    assert matched_lesion_scores(nothing, target, MM).f1(0.1) == dilated_lesion_scores(target, nothing, MM).f1() == 0


def test_nothing_in_both_is_perfect():
    nothing = np.zeros((9, 9, 9))
    for scores in (dilated_lesion_scores(nothing, nothing, MM), matched_lesion_scores(nothing, nothing, MM)):
        assert (scores.mean_dice, scores.mean_hausdorff_95_mm, scores.mean_surface_dice) == (1, 0, 1)


def test_what_touches_after_dilation_is_one_lesion():
    """Two cubes with a gap of 4 voxels: one lesion when dilated by 3, two when dilated by 1; only one is found."""
    target = cubes(((4, 4, 4), 4), ((12, 4, 4), 4))
    prediction = cubes(((4, 4, 4), 4))
    assert dilated_lesion_scores(prediction, target, MM, 3).dice == (pytest.approx(2 / 3),)
    assert dilated_lesion_scores(prediction, target, MM, 1).dice == (1, 0)


def test_small_lesions_are_left_out_and_what_they_met_is_no_false_positive():
    target = cubes(((4, 4, 4), 4), ((30, 30, 30), 2))  # 64 and 8 mm3
    prediction = cubes(((4, 4, 4), 4), ((30, 30, 30), 3))
    assert dilated_lesion_scores(prediction, target, MM, min_volume_mm3=8).dice == (1,)
    assert len(dilated_lesion_scores(prediction, target, MM, min_volume_mm3=7.9).dice) == 2
    assert len(dilated_lesion_scores(prediction, target, (1, 1, 0.5), min_volume_mm3=8).dice) == 1


def test_one_component_may_serve_two_dilated_lesions_but_matches_one_of_two():
    target = cubes(((4, 4, 4), 4), ((20, 4, 4), 4))
    prediction = cubes(((4, 4, 4), 4), ((20, 4, 4), 4))
    prediction[4:24, 4, 4] = True  # a bridge of 12 voxels
    size = 64 + 64 + 12
    expected = 2 * 64 / (64 + size)
    assert dilated_lesion_scores(prediction, target, MM).dice == (pytest.approx(expected),) * 2
    scores = matched_lesion_scores(prediction, target, MM)
    assert scores.dice == (pytest.approx(expected), 0)
    assert (scores.missed, scores.false_positives) == (1, 0)


def test_matching_is_that_of_the_greatest_sum_not_of_the_first_best():
    """Lesions A (voxels 0 to 9) and B (10 to 12 next to a gap): components take the partners that suit both."""
    target, prediction = np.zeros((2, 30, 3, 3), dtype=bool)
    target[0:6, 1, 1] = target[8:14, 1, 1] = True
    prediction[4:14, 1, 1] = True  # Dice 2*2/16 with the first lesion, 2*6/16 with the second
    prediction[0:3, 1, 1] = True  # Dice 2*3/9 with the first
    scores = matched_lesion_scores(prediction, target, MM)
    assert sorted(scores.dice) == pytest.approx([2 * 3 / 9, 2 * 6 / 16])


def restated(prediction, target, dilation, least):
    """The rule of 2023 with whole volumes, one lesion at a time."""
    dilated = binary_dilation(target, generate_binary_structure(3, 2), iterations=dilation)
    lesions, count = label(dilated, np.ones((3, 3, 3)))
    found, num_found = label(prediction, np.ones((3, 3, 3)))
    dice, distances, met = [], [], set()
    for number in range(1, count + 1):
        lesion = (lesions == number) & target
        meeting = set(np.unique(found[lesions == number])) - {0}
        met |= meeting
        if lesion.sum() <= least:
            continue
        mask = np.isin(found, list(meeting))
        dice.append(2 * (mask & lesion).sum() / (mask.sum() + lesion.sum()) if meeting else 0)
        pair = (torch.from_numpy(mask)[None], torch.from_numpy(lesion)[None])
        distances.append(float(hausdorff_95(*pair, MM)[0]) if meeting else 374)
    false = num_found - len(met)
    return [*dice, *[0] * false], [*distances, *[374] * false]


@pytest.mark.parametrize("seed", range(6))
def test_boxes_change_nothing(seed):
    random = np.random.default_rng(seed)
    noise = [random.random((24, 26, 22)) for _ in range(2)]
    target, prediction = (binary_dilation(values > 0.9985, np.ones((3, 3, 3))) for values in noise)
    prediction |= np.roll(target, 1, axis=seed % 3) & (random.random(target.shape) > 0.3)
    for region in (target, prediction):
        region[[0, -1]] = region[:, [0, -1]] = region[:, :, [0, -1]] = False
    scores = dilated_lesion_scores(prediction, target, MM, 1 + seed % 3, 20)
    dice, distances = restated(prediction, target, 1 + seed % 3, 20)
    assert len(dice) > 2
    pairs = sorted(zip(scores.dice, scores.hausdorff_95_mm, strict=True))
    np.testing.assert_allclose(pairs, sorted(zip(dice, distances, strict=True)), rtol=1e-5)


def test_forty_lesions_of_a_whole_brain_take_less_than_two_seconds():
    random = np.random.default_rng(0)
    corners = [(x, y, z) for x in range(20, 220, 40) for y in range(20, 220, 50) for z in (30, 100)]
    lesions = [(tuple(np.add(corner, random.integers(0, 9, 3))), int(random.integers(3, 12))) for corner in corners]
    target = cubes(*lesions, shape=(240, 240, 155))
    prediction = np.roll(target, 1, axis=0)
    assert len(lesions) == 40
    begun = time.process_time()
    scores = dilated_lesion_scores(prediction, target, MM)
    assert len(scores.dice) == 40 - sum(side**3 <= 50 for _, side in lesions)
    assert len(matched_lesion_scores(prediction, target, MM).dice) == 40
    assert time.process_time() - begun < 4, "both definitions"


def test_metric_has_six_columns_per_region_and_reads_the_voxel_size():
    target = torch.from_numpy(np.stack([cubes(((4, 4, 4), 4), ((30, 30, 30), 2)), cubes()]))
    target = MetaTensor(target.float(), affine=torch.diag(torch.tensor([1.0, 1.0, 0.5, 1.0])))
    metric = LesionWiseMetric(min_volume_mm3=4)
    metric(y_pred=[MetaTensor(target.clone())], y=[target])
    assert metric.get_buffer().tolist() == [[1, 0, 1, 1, 1, 1] * 2]
    assert metric.aggregate().tolist() == [1, 0, 1, 1, 1, 1] * 2
