import logging

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from torch.utils.tensorboard import SummaryWriter

from shared.errors import InputError
from shared.handlers import TrainingLog
from shared.losses import Total
from shared.reports.epoch_rows import draw_epoch_rows

EXPECTED = """\
epoch,loss,validation_dice,label,sometimes,learning_rate
1,3,,2,1,0.1
2,6,0.2,2,1,0.05
3,9,,2,1,0.025
4,12,0.4,2,1,0.0125
"""


class TwoTerms(torch.nn.Module):
    """Mean label times the epoch; a term that is NaN for labels of 0. Counts how often terms are computed."""

    def __init__(self):
        super().__init__()
        self.total, self.factor, self.computed = Total(), 1.0, 0

    def terms(self, prediction, label):
        self.computed += 1
        sometimes = label.mean() / label.mean()
        return {"total": self.factor * prediction.mean(), "label": label.mean(), "sometimes": sometimes}

    def forward(self, prediction, label):
        return self.total({name: value for name, value in self.terms(prediction, label).items()})


def train(folder, max_epochs, first_epoch=1, dies_in=None, values=(0.0, 2.0, 4.0), **intervals):
    """Losses 1.5 times the label times the epoch, a rate that halves, a validation every two epochs."""
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 1.5)
    network.requires_grad_(False)
    rho = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([rho], lr=0.1 / 2 ** (first_epoch - 1))
    loss, evaluator = TwoTerms(), Engine(lambda engine, batch: None)
    log = TrainingLog(loss, evaluator, str(folder), **intervals)
    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=max_epochs,
        train_data_loader=[{"image": torch.full((1, 1), v), "label": torch.full((1, 1), v)} for v in values],
        network=network,
        optimizer=optimizer,
        loss_function=lambda prediction, label: loss(prediction, label) + 0 * rho,
        amp=False,
    )

    @trainer.on(Events.STARTED)
    def resume(engine):  # as TrainingCheckpoint does
        engine.state.epoch, engine.state.iteration = first_epoch - 1, len(values) * (first_epoch - 1)

    @trainer.on(Events.EPOCH_STARTED)
    def begin(engine):
        loss.factor = float(engine.state.epoch)

    @trainer.on(Events.EPOCH_COMPLETED)
    def complete(engine):
        if engine.state.epoch == dies_in:
            raise KeyboardInterrupt
        if engine.state.epoch % 2 == 0:
            evaluator.state.epoch = engine.state.epoch
            evaluator.state.metrics = {"dice": engine.state.epoch / 10, "per_class": [1, 2]}
        optimizer.param_groups[0]["lr"] /= 2  # the scheduler acts before the row is written

    log.attach(trainer)
    trainer.run()
    return loss


def table(folder):
    """Return ``curves.csv`` without the column that repeats the loss."""
    rows = [line.split(",") for line in (folder / "curves.csv").read_text().splitlines()]
    column = rows[0].index("total")
    assert [row[column] for row in rows[1:]] == [row[1] for row in rows[1:]]
    return "".join(",".join(row[:column] + row[column + 1 :]) + "\n" for row in rows)


@pytest.fixture
def events(monkeypatch):
    written = {}
    monkeypatch.setattr(
        SummaryWriter, "add_scalar", lambda self, name, value, step: written.setdefault(name, []).append((value, step))
    )
    return written


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    """A figure takes longer than all else here."""
    monkeypatch.setattr("shared.handlers.training_log.draw_epoch_rows", lambda path, *rows: path.touch())


def test_rows_by_hand_and_a_nan_is_left_out(tmp_path):
    train(tmp_path, 4)
    assert table(tmp_path) == EXPECTED


def test_figure_has_a_panel_for_every_column(tmp_path):
    rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "dice": 0.5}]
    draw_epoch_rows(tmp_path / "curves.png", rows, ["loss", "dice"])
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_terms_come_from_the_forward_pass_of_the_training(tmp_path):
    assert train(tmp_path, 2).computed == 2 * 3


def test_interval_reads_the_terms_of_every_other_iteration(tmp_path):
    train(tmp_path, 1, values=(1.0, 2.0, 4.0, 8.0), term_interval_iterations=2)
    header, row = (line.split(",") for line in (tmp_path / "curves.csv").read_text().splitlines())
    assert float(row[header.index("label")]) == (1 + 4) / 2
    assert float(row[header.index("loss")]) == 1.5 * 15 / 4


def test_terms_of_a_wrapped_loss_are_read():
    loss = TwoTerms()
    wrapper = torch.nn.Module()
    wrapper.module = loss
    assert TrainingLog(wrapper, Engine(lambda engine, batch: None), ".").loss is loss


def test_line_has_mean_loss_new_scores_and_time_left(tmp_path, caplog, monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("shared.handlers.training_log.time.monotonic", lambda: next(clock))
    caplog.set_level(logging.INFO, "progress")
    train(tmp_path, 4, line_interval_epochs=3)
    lines = [record.message for record in caplog.records if record.name == "progress"]
    assert lines[0].startswith("epoch 2/4: loss 6.0000, dice 0.2000; ")
    assert lines[0].endswith(" left")
    assert lines[1].startswith("epoch 3/4: loss 9.0000; ")
    assert lines[2] == "epoch 4/4: loss 12.0000, dice 0.4000; 0 s left"


def test_losses_scores_and_terms_become_events(tmp_path, events):
    train(tmp_path, 2)
    assert events["train_loss"] == [(0.0, 1), (3.0, 2), (6.0, 3), (0.0, 4), (6.0, 5), (12.0, 6)]
    assert events["dice"] == [(0.2, 2)]
    assert events["label"] == [(2.0, 1), (2.0, 2)]


@pytest.mark.parametrize("written", [2, 3])
def test_resumed_training_leaves_the_table_of_an_unbroken_one(tmp_path, written):
    """Resumed after epoch 2, whether or not the killed run had written a row for epoch 3."""
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, 4, dies_in=written + 1)
    assert len(table(tmp_path).splitlines()) == 1 + written
    train(tmp_path, 4, first_epoch=3)
    assert table(tmp_path) == EXPECTED


def test_new_training_begins_a_new_table(tmp_path):
    train(tmp_path, 4)
    train(tmp_path, 1)
    assert table(tmp_path) == "epoch,loss,label,sometimes,learning_rate\n1,3,2,1,0.1\n"


def test_figure_is_drawn_at_the_interval_and_at_the_end(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, 4, dies_in=3, figure_interval_epochs=3)
    assert not (tmp_path / "curves.png").exists()
    train(tmp_path, 2, figure_interval_epochs=3)
    assert (tmp_path / "curves.png").exists()


def test_other_processes_than_the_first_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 1)
    engine = Engine(lambda engine, batch: None)
    TrainingLog(TwoTerms(), engine, str(tmp_path / "log")).attach(engine)
    engine.run([0], max_epochs=1)
    assert not (tmp_path / "log").exists()


def test_says_when_the_file_is_something_else(tmp_path):
    (tmp_path / "curves.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"curves.csv: is not a table of this program's curves; move it away"):
        train(tmp_path, 4, first_epoch=3)
