import numpy as np
import pytest
from pandas import DataFrame
from scipy.stats import wilcoxon

from ci.experiments.paired_differences import difference_rows, paired_differences


def table(**columns):
    return DataFrame(columns, index=list("abcdefgh")[: len(next(iter(columns.values())))])


def test_differences_are_taken_case_by_case_in_whatever_order():
    """Cases differ by 30 points, methods by 1 in each of them: an unpaired comparison would see nothing."""
    first = table(Dice=[90.0, 60.0, 30.0, 75.0])
    other = table(Dice=[91.0, 61.0, 31.0, 76.0]).iloc[::-1]
    row = paired_differences({"first": first, "other": other}).loc[("other", "Dice")]
    assert row.tolist() == pytest.approx([4, 1, 1, 1, 0.125])  # p: 2 of the 16 signs


def test_interval_is_that_of_resampled_cases():
    random = np.random.default_rng(1)
    difference = random.normal(1, 2, 40)
    zero = DataFrame({"Dice": np.zeros(40)})
    row = paired_differences({"first": zero, "other": DataFrame({"Dice": difference})}).loc[("other", "Dice")]
    means = difference[random.integers(40, size=(20000, 40))].mean(axis=1)
    np.testing.assert_allclose([row["low"], row["high"]], np.quantile(means, [0.025, 0.975]), atol=0.05)
    assert row["wilcoxon_p"] == wilcoxon(difference).pvalue


@pytest.mark.parametrize("values", [[3.0, -3, 1, 2, 2, 0], [0.0, 0, 1, 1, 1, -4, 5, 5], [1.5, -1.5, 1.5, 0, -2]])
def test_cases_that_tie_or_do_not_differ_have_the_p_of_scipy(values):
    found = paired_differences({"first": DataFrame({"Dice": np.zeros(len(values))}), "o": DataFrame({"Dice": values})})
    assert found.loc[("o", "Dice"), "wilcoxon_p"] == pytest.approx(wilcoxon(values).pvalue, rel=1e-12)


@pytest.mark.parametrize("count", [2, 13, 14])
def test_cases_that_all_differ_have_the_exact_p_of_scipy_in_every_call(count):
    """Up to 13 cases all signs are summed: if they were drawn, two calls would differ."""
    values = np.random.default_rng(2).normal(0.4, 1, count)
    scores = {"first": DataFrame({"Dice": np.zeros(count)}), "other": DataFrame({"Dice": values})}
    found = [paired_differences(scores).loc[("other", "Dice"), "wilcoxon_p"] for _ in range(2)]
    assert found[0] == found[1] == pytest.approx(wilcoxon(values).pvalue, rel=1e-12)


def test_cases_that_one_method_lacks_do_not_count():
    first = table(Dice=[1.0, 2.0, np.nan], ET=[np.nan] * 3)
    other = table(Dice=[3.0, np.nan, 5.0], ET=[1.0] * 3)
    found = paired_differences({"first": first, "other": other})
    assert found.loc[("other", "Dice"), ["cases", "difference"]].tolist() == [1, 2]
    assert np.isnan(found.loc[("other", "Dice"), "low"])
    assert found.loc[("other", "ET"), "cases"] == 0
    assert list(difference_rows(found, {"Dice": 2, "ET": 2}, ["Dice", "ET"]).index) == ["other: Dice"]


def test_the_same_scores_differ_by_nothing():
    same = table(Dice=[1.0, 2.0])
    found = paired_differences({"first": same, "other": same}).loc[("other", "Dice")]
    assert found.tolist() == [2, 0, 0, 0, 1]
