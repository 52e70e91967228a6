import numpy as np
import pytest
import torch
from monai.transforms import Compose, Lambda

from shared.data import CaseCache, case_cache
from shared.errors import InputError


def read(number):
    return {"image": torch.zeros(1, 10, 10, 10), "label": np.zeros(1000, np.int8), "nested": [{"a": torch.zeros(5)}]}


def test_what_a_cache_will_take_is_said_before_it_is_filled(monkeypatch, caplog):
    """4000 + 1000 + 20 bytes a case; half of 8 cases are kept."""
    caplog.set_level("INFO")
    order = []
    monkeypatch.setattr(case_cache, "free_memory_bytes", lambda: 10**9)
    monkeypatch.setattr(case_cache, "MB", 1000)
    monkeypatch.setattr(case_cache, "GB", 1000)
    report = CaseCache._report
    monkeypatch.setattr(CaseCache, "_report", lambda *given: order.append("said") or report(*given))
    cases = CaseCache(range(8), Compose([Lambda(lambda number: order.append(number) or read(number))]), cache_rate=0.5)
    assert order == [0, "said", 1, 2, 3]
    assert "the train part in memory: 4 cases x 5.0 MB = 20.08 GB." in caplog.text
    assert len(cases) == 8
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_cache_larger_than_the_memory_that_is_free_is_warned_of(monkeypatch, caplog):
    monkeypatch.setattr(case_cache, "free_memory_bytes", lambda: 15_000)
    monkeypatch.setattr(case_cache, "GB", 1000)
    CaseCache(range(4), Compose([Lambda(read)]), part="validation")
    assert "The validation part would take 20.08 GB of memory, of which 15.00 GB are free" in caplog.text
    assert "--cache_rate (about 0.60)" in caplog.text


def test_every_process_of_several_fills_a_cache_of_its_own(monkeypatch, caplog):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    monkeypatch.setattr(case_cache, "free_memory_bytes", lambda: 40_000)
    CaseCache(range(4), Compose([Lambda(read)]))
    assert "The train part would take" in caplog.text  # 3 x 20 kB


def test_without_a_cache_nothing_is_read_and_nothing_said(caplog):
    caplog.set_level("INFO")
    assert len(CaseCache([1, 2], Compose([Lambda(lambda number: 1 / 0)]), cache_rate=0.0)) == 2
    assert not caplog.text


def test_an_empty_part_is_refused_where_cases_are_needed():
    with pytest.raises(
        InputError, match=r"the test part has no case, so there is nothing to do; .* another --evaluate_part"
    ):
        CaseCache([], Compose([Lambda(read)]), part="test")
    assert len(CaseCache([], Compose([Lambda(read)]), part="validation", needed=False)) == 0


def test_free_memory_is_what_the_machine_has_at_most():
    free = case_cache.free_memory_bytes()
    assert free is None or 0 <= free < 10**14
