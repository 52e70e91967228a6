import logging
from types import SimpleNamespace

import pytest
from ignite.engine import Engine

from shared.handlers import CaseProgress
from shared.handlers.case_progress import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (3720, "1 h 02 min"), (7199.9, "2 h 00 min")],
)
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words


@pytest.mark.parametrize("dataset", [["a", "b"], SimpleNamespace(data=["x", "a", "b"], finished={0})])
def test_cases_that_are_left_are_counted_and_named(caplog, dataset):
    caplog.set_level(logging.INFO, "progress")
    engine = Engine(lambda engine, batch: None)
    CaseProgress(dataset).attach(engine)
    engine.run([[{"case": "a"}], [{"case": "b"}]], max_epochs=1)
    lines = [record.message for record in caplog.records if record.name == "progress"]
    assert lines[0].startswith("case 1/2: a; ")
    assert lines[1] == "case 2/2: b; 0 s left"


def test_cases_of_other_processes_count_as_done(caplog, monkeypatch):
    """Five of eight cases took 10 s, three are left."""
    caplog.set_level(logging.INFO, "progress")
    seconds = iter([0.0, 10.0])
    monkeypatch.setattr("shared.handlers.case_progress.time.monotonic", lambda: next(seconds))
    engine = Engine(lambda engine, batch: None)
    CaseProgress(SimpleNamespace(data=list("abcdefghi"), finished={8}, cases_left=3)).attach(engine)
    engine.run([[{"case": "e"}]], max_epochs=1)
    assert [record.message for record in caplog.records if record.name == "progress"] == ["case 5/8: e; 6 s left"]
