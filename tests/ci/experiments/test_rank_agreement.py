"""Whether two sets of cases order methods alike."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from ci.experiments import rank_agreement
from shared.errors import InputError

SUBSETS = ("t1", "t2", "t1+t2")


def write(folder, method, dice, cases=("a", "b"), runs=1):
    """Write runs of a method whose cases have `dice` in WT, and half of it in ET."""
    for run in range(runs):
        path = folder / method / f"seed{run}" / "subsets.csv"
        path.parent.mkdir(parents=True)
        rows = [f"{case},{subset},0,{dice},{dice / 2},0" for case in cases for subset in SUBSETS]
        path.write_text("case,subset,missing,dice_WT,dice_ET,dice_ET_pp500\n" + "\n".join(rows) + "\n")


def test_correlation_of_four_methods_worked_out_by_hand():
    """Ranks 1 2 3 4 and 2 1 3 4: 1 - 6 (1 + 1) / (4 * 15) = 0.8. Of 24 pairings 4 reach 0.8: p = 2 * 4 / 24."""
    first = np.array([[10.0], [20.0], [30.0], [40.0]])
    second = np.array([[2.0], [1.0], [3.0], [4.0]])
    assert rank_agreement.rank_correlation(first, second) == pytest.approx((0.8, 0.8, 0.8, 8 / 24))


def test_correlation_is_that_of_scipy_also_with_ties():
    generator = np.random.default_rng(1)
    first, second = generator.integers(0, 3, (6, 4)).astype(float), generator.normal(size=(6, 5))
    first[3] = first[2]
    found = rank_agreement.rank_correlation(first, second)
    assert found[0] == pytest.approx(spearmanr(first.mean(1), second.mean(1)).statistic)
    assert found[1] <= found[0] <= found[2]


def test_the_interval_is_wide_where_cases_disagree_about_the_order():
    certain = np.array([[1.0, 1.1], [2.0, 2.1], [3.0, 3.1]])
    unsure = np.array([[1.0, 3.2], [2.0, 2.1], [3.0, 1.0]])
    assert rank_agreement.rank_correlation(certain, certain)[1:3] == (1, 1)
    assert rank_agreement.rank_correlation(certain, unsure)[1:3] == (-1, 1)


def test_methods_that_are_all_equal_have_no_order():
    assert np.isnan(rank_agreement.rank_correlation(np.ones((3, 2)), np.ones((3, 2)))).all()


def test_tables_of_two_studies_are_compared(tmp_path, capsys):
    for method, painted, real in (("cloe", 0.25, 0.1), ("ours", 0.5, 0.3), ("rfnet", 0.75, 0.2)):
        write(tmp_path / "painted", method, painted)
        write(tmp_path / "real", method, real, cases="xyz", runs=2)
    write(tmp_path / "painted", "alone", 1)
    patterns = [str(tmp_path / name / "*" / "seed*" / "subsets.csv") for name in ("painted", "real")]
    rank_agreement.main(*patterns, out=str(tmp_path / "order"))
    lines = (tmp_path / "order.md").read_text().splitlines()
    assert lines[0] == "| method | WT, first | WT, second | ET, first | ET, second |"
    assert lines[2:6] == [
        "| cloe | 25.0 | 10.0 | 12.5 | 5.0 |",
        "| ours | 50.0 | 30.0 | 25.0 | 15.0 |",
        "| rfnet | 75.0 | 20.0 | 37.5 | 10.0 |",
        "| Spearman's rank correlation | 0.50 |  | 0.50 |  |",
    ]
    assert "means over 2 and 3 cases" in capsys.readouterr().out


def test_a_small_p_is_not_written_as_zero(tmp_path):
    """8 methods in one order, exactly: 2 of 40320 pairings reach 1."""
    for number in range(8):
        write(tmp_path, f"method{number}", number / 10)
    pattern = str(tmp_path / "*" / "seed*" / "subsets.csv")
    rank_agreement.main(pattern, pattern, out=str(tmp_path / "order"))
    assert (tmp_path / "order.md").read_text().splitlines()[12] == "| p | < 0.001 |  | < 0.001 |  |"


def test_what_cannot_be_compared_is_named(tmp_path):
    pattern = str(tmp_path / "*" / "seed*" / "subsets.csv")
    with pytest.raises(InputError, match="first: no file fits"):
        rank_agreement.main(pattern, pattern, out=str(tmp_path / "order"))
    write(tmp_path, "cloe", 0.5)
    with pytest.raises(InputError, match="share 1 methods; an order needs 3 or more"):
        rank_agreement.main(pattern, pattern, out=str(tmp_path / "order"))
    write(tmp_path, "rfnet", 0.5, cases="ac")
    with pytest.raises(InputError, match="rfnet has other cases than cloe"):
        rank_agreement.main(pattern, pattern, out=str(tmp_path / "order"))
