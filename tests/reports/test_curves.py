from types import SimpleNamespace

import pytest
from ignite.engine import Engine, Events

from shared.errors import InputError
from shared.reports import TrainingCurves

EXPECTED = """\
epoch,loss,validation_dice,fuzzy,learning_rate
1,1.05,,0.5,0.1
2,2.05,0.2,0.25,0.05
3,3.05,,0.125,0.025
4,4.05,0.4,0.0625,0.0125
"""


def train(folder, max_epochs, first_epoch=1, dies_in=None):
    """Losses epoch and epoch + 0.1, a rate that halves, a term that halves, a validation every two epochs."""
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.1 / 2 ** (first_epoch - 1)}])
    trainer = Engine(lambda engine, batch: [{"loss": engine.state.epoch + batch}])
    trainer.optimizer = optimizer
    evaluator = Engine(lambda engine, batch: None)

    @trainer.on(Events.STARTED)
    def resume(engine):  # as TrainingCheckpoint does
        engine.state.epoch, engine.state.iteration = first_epoch - 1, 2 * (first_epoch - 1)

    @trainer.on(Events.EPOCH_COMPLETED)
    def complete(engine):
        if engine.state.epoch == dies_in:
            raise KeyboardInterrupt
        engine.state.loss_terms = {"fuzzy": 0.5**engine.state.epoch}
        if engine.state.epoch % 2 == 0:
            evaluator.state.epoch = engine.state.epoch
            evaluator.state.metrics = {"dice": engine.state.epoch / 10, "per_class": [1, 2]}
        optimizer.param_groups[0]["lr"] /= 2  # the scheduler acts before the row is written

    TrainingCurves(str(folder), evaluator, interval=3).attach(trainer)
    trainer.run([0.0, 0.1], max_epochs=max_epochs)
    return folder / "curves.csv"


def test_rows_by_hand(tmp_path):
    assert train(tmp_path, 4).read_text() == EXPECTED
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("written", [2, 3])
def test_resumed_training_leaves_the_table_of_an_unbroken_one(tmp_path, written):
    """Resumed after epoch 2, whether or not the killed run had written a row for epoch 3."""
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, 4, dies_in=written + 1)
    assert len((tmp_path / "curves.csv").read_text().splitlines()) == 1 + written
    assert train(tmp_path, 4, first_epoch=3).read_text() == EXPECTED


def test_new_training_begins_a_new_table(tmp_path):
    train(tmp_path, 4)
    assert train(tmp_path, 1).read_text() == "epoch,loss,fuzzy,learning_rate\n1,1.05,0.5,0.1\n"


def test_picture_is_drawn_at_the_interval_and_at_the_end(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, 4, dies_in=3)
    assert not (tmp_path / "curves.png").exists()
    train(tmp_path, 2)
    assert (tmp_path / "curves.png").exists()


def test_says_when_the_file_is_something_else(tmp_path):
    (tmp_path / "curves.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"curves.csv: is not a table of this program's curves; move it away"):
        train(tmp_path, 4, first_epoch=3)
