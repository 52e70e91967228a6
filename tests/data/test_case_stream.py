import errno
import weakref
from pathlib import Path

import pytest
import torch

from shared.data import CaseStream, process_share
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


def test_what_goes_wrong_with_one_case_alone_is_named_with_its_type(caplog):
    caplog.set_level("DEBUG")
    stream = CaseStream(["bug 1", "b"], read)
    assert list(stream) == ["B"]
    with pytest.raises(InputError, match=r"1 of 2 .* case bug 1: unexpected ZeroDivisionError: a fault"):
        stream.raise_failures()
    assert "Traceback (most recent call last)" in caplog.text


@pytest.mark.parametrize("cases", [1, 30])
def test_what_every_case_meets_is_one_line_too(cases, caplog):
    stream = CaseStream([f"bug {number}" for number in range(cases)], read)
    assert list(stream) == []
    with pytest.raises(InputError, match=rf"^0 of {cases} cases done; not done: case bug 0: unexpected Zero") as raised:
        stream.raise_failures()
    assert ("and 10 more, named above as skipped" in str(raised.value)) == (cases == 30)
    assert len(caplog.records) == cases


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_what_the_next_case_would_meet_too_ends_the_run(error):
    def read_no_more(case):
        raise RuntimeError("applying transform") from error

    with pytest.raises(RuntimeError, match="applying transform"):
        list(CaseStream(["a", "b"], read_no_more))


def name(item):
    return item | {"case": Path(item["image"]).stem} if "case" not in item else item


def test_two_cases_of_one_name_are_refused_before_the_first():
    cases = [{"case": "a", "image": "x/1.png"}, {"case": "A", "image": "y.png"}, {"case": "a", "image": "x/2.png"}]
    with pytest.raises(InputError, match=r"'a': two cases have this name, x/1\.png and x/2\.png"):
        CaseStream(cases, name)
    assert len(list(CaseStream(cases[:2], name))) == 2  # letter by letter


def test_two_files_of_one_name_do_not_become_one_case():
    unnamed = [{"image": "p1/x.png"}, {"image": "p2/x.png"}]
    for cases in (unnamed, [{"image": "z.png", "case": "x"}, unnamed[1]]):
        with pytest.raises(InputError, match=r"'x': two cases have this name, \S+\.png and p2/x\.png"):
            CaseStream(cases, name)
        with pytest.raises(InputError, match=r"'x': two cases have this name"):
            process_share(cases)
    assert len(list(CaseStream([*unnamed[:1], {"image": "y.png"}], name))) == 2
    by_reader = CaseStream([{"t1": "p1/x.nii"}, {"t1": "p2/x.nii"}], lambda item: item | {"case": "x"})
    assert len(list(by_reader)) == 1
    with pytest.raises(InputError, match=r"1 of 2 .*'x': two cases have this name, p1/x\.nii and p2/x\.nii"):
        by_reader.raise_failures()


@pytest.mark.parametrize("unusable", ["p1/flair", "", "..", "a\nb", "é" * 119, None])
def test_names_that_no_file_can_bear_are_found_before_the_first_case_is_read(unusable):
    read_cases = []
    stream = CaseStream([{"case": "a"}, {"case": unusable}], lambda case: read_cases.append(case) or case)
    assert next(iter(stream)) == {"case": "a"}
    assert len(stream.failures) == 1
    list(stream)
    assert read_cases == [{"case": "a"}] * 2
    with pytest.raises(InputError, match="1 of 2 cases done; not done: case "):
        stream.raise_failures()


def test_names_may_be_as_long_as_the_files_names_allow():
    longest = {"case": "x" * (255 - len("_disagreement.nii.gz"))}
    assert list(CaseStream([longest], name)) == [longest]
    assert list(CaseStream([{"case": "x" * 237}], name)) == []
    assert list(CaseStream([{"case": "x" * 237}], name, case_names="hash"))
    assert list(CaseStream([{"case": "x" * 239}], name, longest_ending="_uncertainty.tif"))


def test_nothing_to_do_is_an_error():
    with pytest.raises(InputError, match="list of cases is empty, so there is nothing to do"):
        CaseStream([], read)


def test_a_case_is_forgotten_when_nobody_else_needs_it():
    """Else a whole image stays in memory while it is segmented."""
    stream = iter(CaseStream([{"case": "a"}, {"case": "b"}], lambda case: {**case, "image": torch.zeros(3)}))
    first = next(stream)
    image = weakref.ref(first["image"])
    del first
    assert image() is None
    assert next(stream)["case"] == "b"
