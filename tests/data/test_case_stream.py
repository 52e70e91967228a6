import pytest

from shared.data import CaseStream
from shared.errors import InputError


def read(case):
    if "bad" in case:
        try:
            raise InputError(f"{case}: truncated; copy it again.")
        except InputError as error:
            raise RuntimeError("applying transform") from error
    if "bug" in case:
        raise ZeroDivisionError("a fault of the program")
    return case.upper()


def test_bad_cases_are_passed_over_and_named_at_the_end(caplog):
    stream = CaseStream(["a", "bad b", "c", "bad d"], read)
    assert list(stream) == ["A", "C"]
    assert "Skipped: bad b: truncated" in caplog.text
    with pytest.raises(InputError, match=r"2 of 4 cases done; not done: bad b: truncated.* \| bad d: truncated"):
        stream.raise_failures()


def test_a_whole_cohort_raises_nothing():
    stream = CaseStream(["a", "c"], read)
    assert list(stream) == ["A", "C"]
    stream.raise_failures()


def test_a_second_pass_counts_anew():
    stream = CaseStream(["bad a"], read)
    list(stream), list(stream)
    assert len(stream.failures) == 1


def test_a_fault_of_the_program_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        list(CaseStream(["a", "bug"], read))
