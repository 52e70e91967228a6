import pytest
from pandas import DataFrame, MultiIndex

from ci.experiments.run_spread import marked_by_cases, over_runs


@pytest.mark.parametrize(
    ("values", "reference", "within"),
    [([5.0], [5.0], False), ([5.0, 7.0], [7.5], True), ([5.0, 7.0], [8.5], False), ([4.5], [2.0, 5.0], True)],
)
def test_mark_compares_the_difference_with_the_larger_range(values, reference, within):
    runs = DataFrame({"Dice": reference + values}, ["first"] * len(reference) + ["other"] * len(values))
    table = over_runs(runs)
    assert table.loc[("other", "Dice"), "within_spread_of_first"] == within
    assert not table.loc[("first", "Dice"), "within_spread_of_first"]


def test_a_run_without_a_score_leaves_its_method_without_a_mean():
    table = over_runs(DataFrame({"Dice": [0.5, float("nan"), 0.6]}, ["first", "first", "other"]))
    assert table.loc[("first", "Dice"), ["mean", "smallest", "largest"]].isna().all()
    assert not table["within_spread_of_first"].any()


@pytest.mark.parametrize(
    ("low", "high", "marked"),
    [(-2.0, 1.0, True), (0.0, 1.0, True), (1.0, 2.0, False), (-2.0, -1.0, False), (float("nan"), float("nan"), True)],
)
def test_where_cases_are_compared_their_interval_decides_and_else_the_runs(low, high, marked):
    """Runs differ by 2 in the first method, means by 1: within the spread."""
    table = over_runs(DataFrame({"Dice": [5.0, 7.0, 7.0]}, ["first", "first", "other"]))
    index = MultiIndex.from_tuples([("other", "Dice")], names=["method", "score"])
    found = marked_by_cases(table, DataFrame({"low": [low], "high": [high]}, index))
    assert found["within_spread_of_first"].loc[("other", "Dice")]
    assert found["marked"].loc[("other", "Dice")] == marked
    assert not found["marked"].loc[("first", "Dice")]
