import numpy as np
import pytest
from pandas import DataFrame

from shared.reports.mean_interval import interval_texts, mean_interval


def test_interval_is_that_of_means_of_resampled_cases():
    random = np.random.default_rng(1)
    values = random.beta(8, 2, 30)
    means = values[random.integers(30, size=(20000, 30))].mean(axis=1)
    np.testing.assert_allclose(mean_interval(values), np.quantile(means, [0.025, 0.975]), atol=0.005)


def test_two_cases_have_three_means():
    """Each case twice with probability 1/4, which is above 2.5 %."""
    assert mean_interval([0.5, 1.0]) == (0.5, 1.0)


def test_missing_scores_do_not_count_and_one_case_has_no_interval():
    assert mean_interval([0.5, np.nan, 1.0]) == (0.5, 1.0)
    assert np.isnan(mean_interval([0.5, np.nan])).all()
    assert mean_interval([0.25, 0.25]) == pytest.approx((0.25, 0.25))
    assert interval_texts(DataFrame({"a": [0.5, 1.0], "b": [0.5, np.nan]})) == {"a": "0.5000 to 1.0000", "b": ""}


def test_the_same_scores_have_the_same_interval():
    values = np.random.default_rng(0).normal(size=20)
    assert mean_interval(values) == mean_interval(values)
