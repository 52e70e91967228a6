import logging

import pytest
from ignite.engine import Engine, Events

from shared.handlers import CaseProgress, EpochProgress
from shared.handlers.progress import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (3720, "1 h 02 min"), (7199.9, "2 h 00 min")],
)
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words


def test_epochs_tell_mean_loss_new_scores_and_time_left(caplog, monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    caplog.set_level(logging.INFO, "progress")
    evaluator = Engine(lambda engine, batch: None)

    def step(engine, batch):
        return [{"loss": batch}]

    def validate(engine):
        if engine.state.epoch == 2:
            evaluator.state.epoch, evaluator.state.metrics = 2, {"dice": 0.5}

    trainer = Engine(step)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, validate)
    EpochProgress(evaluator).attach(trainer)
    trainer.run([1.0, 2.0], max_epochs=3)
    lines = [record.message for record in caplog.records if record.name == "progress"]
    assert lines[0].startswith("epoch 1/3: loss 1.5000; ")
    assert lines[0].endswith(" left")
    assert lines[1].startswith("epoch 2/3: loss 1.5000, dice 0.5000; ")
    assert lines[2] == "epoch 3/3: loss 1.5000; 0 s left"


def test_cases_are_counted_and_named(caplog):
    caplog.set_level(logging.INFO, "progress")
    engine = Engine(lambda engine, batch: None)
    CaseProgress(total=2).attach(engine)
    engine.run([[{"case": "a"}], [{"case": "b"}]], max_epochs=1)
    lines = [record.message for record in caplog.records if record.name == "progress"]
    assert lines[0].startswith("case 1/2: a; ")
    assert lines[1] == "case 2/2: b; 0 s left"
