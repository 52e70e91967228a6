import numpy as np
import pytest

from shared.metrics.class_scores import class_scores, confusion_counts, one_vs_rest_auc, roc_points


def test_confusion_and_scores_by_hand():
    counts = confusion_counts(np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 2, 1, 2, 2]), 4)
    np.testing.assert_array_equal(counts, [[2, 0, 1, 0], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]])
    scores = class_scores(counts)
    np.testing.assert_allclose(scores["precision"], [1, 1, 2 / 3, np.nan])
    np.testing.assert_allclose(scores["recall"], [2 / 3, 1, 1, np.nan])
    np.testing.assert_allclose(scores["F1"], [0.8, 1, 0.8, np.nan])


def test_classes_on_one_side_only_score_zero():
    """Three images of class 0, one of them called 1; none of the two of class 2 recognised."""
    scores = class_scores(np.array([[2, 1, 0], [0, 0, 0], [2, 0, 0]]))
    np.testing.assert_allclose(scores["precision"], [1 / 2, 0, 0])
    np.testing.assert_allclose(scores["recall"], [2 / 3, 0, 0])
    np.testing.assert_allclose(scores["F1"], [4 / 7, 0, 0])


def test_area_is_the_share_of_pairs_in_order():
    random = np.random.default_rng(0)
    true = random.integers(0, 3, 60)
    probabilities = random.dirichlet(np.ones(3), 60).round(1)  # with ties
    for number, area in enumerate(one_vs_rest_auc(true, probabilities)):
        of_class, others = (probabilities[chosen, number] for chosen in (true == number, true != number))
        pairs = np.sign(of_class[:, None] - others)
        assert area == pytest.approx((1 + pairs.mean()) / 2)
        assert area == pytest.approx(np.trapezoid(*roc_points(true == number, probabilities[:, number])[::-1]))


def test_no_area_without_both_sides():
    np.testing.assert_array_equal(one_vs_rest_auc(np.array([1, 1]), np.full((2, 3), 1 / 3)), [np.nan] * 3)
    assert one_vs_rest_auc(np.zeros(0, int), np.zeros((0, 2))).shape == (2,)


def test_curve_by_hand():
    """From the most probable one: right, then one of each at one probability, then wrong."""
    false, true = roc_points(np.array([False, True, True, False]), np.array([0.5, 0.9, 0.5, 0.1]))
    np.testing.assert_allclose(false, [0, 0, 0.5, 1])
    np.testing.assert_allclose(true, [0, 0.5, 1, 1])
