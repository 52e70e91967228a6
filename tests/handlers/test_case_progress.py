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
