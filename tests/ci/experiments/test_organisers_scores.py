import numpy as np
import pytest

from ci.experiments.organisers_scores import differences, main, our_scores, random_case
from shared.errors import InputError


def test_cases_are_the_same_each_time_and_have_lesions_of_all_kinds():
    cases = [random_case(seed) for seed in range(12)]
    for first, second in zip(cases[3], random_case(3), strict=True):
        np.testing.assert_array_equal(first, second)
    scores = [our_scores(*case)["since 2025"]["WT"] for case in cases[:6]]
    for name in ("tp", "fp", "fn"):
        assert sum(score[name] for score in scores) > 0, name
    assert {0, 1, 2, 3} == set(np.unique(np.stack([np.stack(case) for case in cases])).tolist())


def test_differences_leave_out_what_is_no_number_there():
    theirs = {"a": {"WT": {"dice": 0.5, "hd95": float("inf")}}, "b": {"WT": {"dice": None, "hd95": 3.0}}}
    ours = {"a": {"WT": {"dice": 0.75, "hd95": 374.0}}, "b": {"WT": {"dice": 1.0, "hd95": 3.0}}}
    assert differences(ours, theirs) == {"dice": ([0.25], 1), "hd95": ([0.0], 1)}


def test_says_where_the_programs_are_missing(tmp_path):
    with pytest.raises(InputError, match=r"python: no such file; `python -m ci organisers-scores --help` says what is"):
        main(str(tmp_path / "python"))
