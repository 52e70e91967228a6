"""A resumed training follows one set of settings: others are refused, and more epochs rebuild every schedule."""

import logging
import math
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Events
from tiny_training import EPOCHS, input_error, make_training, train

from shared.handlers import run_settings

LATER = 8


def polynomial(optimizer, epochs):
    return torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=epochs, power=0.9)


def warm_up_then_cosine(optimizer, epochs):
    warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=2)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs - 2)
    return torch.optim.lr_scheduler.SequentialLR(optimizer, [warm_up, decay], milestones=[2])


def rates_of(trainer):
    """Collect the rate of every epoch."""
    rates = {}
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED,
        lambda engine: rates.update({engine.state.epoch: engine.optimizer.param_groups[0]["lr"]}),
    )
    trainer.run()
    return rates


def without_settings(path):
    saved = torch.load(path, weights_only=True)
    del saved["run_settings"]
    torch.save(saved, path)


@pytest.mark.parametrize("stop_at", [8, None], ids=["broken off", "complete"])
def test_with_more_epochs_the_cosine_goes_on_to_the_new_end_and_never_rises(tmp_path, caplog, stop_at):
    train(tmp_path, stop_at=stop_at)
    trainer, _, _ = make_training(tmp_path, resume=True, epochs=LATER)
    with caplog.at_level(logging.INFO):
        rates = rates_of(trainer)
    first = EPOCHS + 1 if stop_at is None else 3  # 3 iterations an epoch
    assert list(rates) == list(range(first, LATER + 1))
    expected = [0.05 * (1 + math.cos(math.pi * (epoch - 1) / LATER)) / 2 for epoch in rates]
    assert list(rates.values()) == pytest.approx(expected)
    assert sorted(rates.values(), reverse=True) == list(rates.values())
    assert f"max_epochs was {EPOCHS}, is {LATER}: all schedules are rebuilt for the new end" in caplog.text
    assert f"the learning rate of epoch {first} is {expected[0]:.6g}" in caplog.text


@pytest.mark.parametrize("make_schedule", [polynomial, warm_up_then_cosine])
def test_a_rebuilt_schedule_has_the_rates_of_an_unbroken_training_to_the_new_end(tmp_path, make_schedule):
    train(tmp_path / "short", make_schedule=make_schedule)
    longer, _, _ = make_training(tmp_path / "long", epochs=LATER, make_schedule=make_schedule)
    expected = rates_of(longer)
    resumed, _, _ = make_training(tmp_path / "short", resume=True, epochs=LATER, make_schedule=make_schedule)
    assert rates_of(resumed) == {epoch: rate for epoch, rate in expected.items() if epoch > EPOCHS}


def test_fewer_epochs_are_refused(tmp_path):
    train(tmp_path)
    assert f"--max_epochs {EPOCHS - 1} is before that" in input_error(train, tmp_path, resume=True, epochs=EPOCHS - 1)
    without_settings(tmp_path / "checkpoint.pt")
    assert "is fewer; give more" in input_error(train, tmp_path, resume=True, epochs=EPOCHS - 1)


def test_a_complete_training_says_that_nothing_is_left(tmp_path, caplog):
    train(tmp_path)
    with caplog.at_level(logging.INFO):
        train(tmp_path, resume=True)
    assert f"Resumed after epoch {EPOCHS}; all epochs are done" in caplog.text


def test_a_training_that_stopped_early_does_not_train_again(tmp_path):
    trainer, evaluator, _ = make_training(tmp_path, patience=2)
    trainer.add_event_handler(Events.EPOCH_STARTED(once=2), lambda _: setattr(evaluator.state, "best_metric", 2.0))
    trainer.run()
    stopped = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert stopped["epoch"] == 3
    trainer, _, _ = make_training(tmp_path, resume=True, patience=2)
    assert rates_of(trainer) == {}
    last = torch.load(tmp_path / "model_last.pt", weights_only=True)
    assert all(torch.equal(value, last[name]) for name, value in stopped["objects"]["network"].items())


@pytest.mark.parametrize("old_file", [False, True], ids=["with settings", "without settings"])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lr": 1e-5}, "learning rate of parameter group 0 is 0.05 in the checkpoint, 1e-05 is given"),
        ({"weight_decay": 0.1}, "weight_decay of parameter group 0 is 0"),
        ({"betas": (0.8, 0.999)}, "betas of parameter group 0 is"),
    ],
)
def test_hyperparameters_that_the_state_would_replace_are_refused(tmp_path, old_file, changed, message):
    train(tmp_path)
    if old_file:
        without_settings(tmp_path / "checkpoint.pt")
    assert message in input_error(train, tmp_path, resume=True, adam=changed)


def test_the_rate_is_compared_where_there_is_no_schedule(tmp_path):
    objects = ("network", "optimizer", "loss")
    train(
        tmp_path,
        objects=objects,
        make_schedule=lambda optimizer, epochs: torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0),
    )
    options = {
        "objects": objects,
        "make_schedule": lambda optimizer, epochs: torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0),
    }
    assert "learning rate" in input_error(train, tmp_path, resume=True, adam={"lr": 0.01}, **options)
    train(tmp_path, resume=True, **options)


def test_a_checkpoint_without_settings_resumes_with_a_warning(tmp_path, caplog):
    train(tmp_path, stop_at=8)
    without_settings(tmp_path / "checkpoint.pt")
    trainer, _, _ = train(tmp_path, resume=True)
    assert trainer.state.epoch == EPOCHS
    assert "does not store its training's settings" in caplog.text


def settings_with(monkeypatch, folder, config, **options):
    """Train or resume as if a bundle ran with this configuration."""
    workflow = SimpleNamespace(parser=SimpleNamespace(get=lambda: config))
    monkeypatch.setattr(run_settings, "running_workflow", lambda: workflow)
    return train(folder, **options)


CONFIG = {
    "_desc_": "text",
    "dataset_dir": "a",
    "num_workers": 0,
    "batch_size": 2,
    "loss_weights": {"mask": 1.0, "class": None},
    "patch_size": [8, 8],
    "lr_scheduler": {"_target_": "CosineAnnealingLR", "T_max": "@max_epochs"},
    "train": {
        "handlers": [{"_target_": "A"}],
        "preprocessing": {"transforms": [{"_target_": "RandFlipd", "prob": 0.5}]},
    },
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 4}, "its training has --batch_size = 2, now it is 4;"),
        ({"loss_weights": {"mask": 1.0, "class": 0.5}}, "--loss_weights::class = None, now it is 0.5;"),
        ({"patch_size": [8, 9]}, "--patch_size = [8, 8], now it is [8, 9];"),
        ({"lr_scheduler": {"_target_": "PolynomialLR", "T_max": "@max_epochs"}}, "--lr_scheduler::_target_ = CosineA"),
        ({"train": {**CONFIG["train"], "preprocessing": {"transforms": []}}}, "::preprocessing::transforms"),
        ({"curriculum_width": 0.5}, "--curriculum_width = not set, now it is 0.5;"),
    ],
)
def test_any_other_setting_is_refused_by_name_with_both_values(tmp_path, monkeypatch, changed, message):
    settings_with(monkeypatch, tmp_path, CONFIG)
    error = input_error(settings_with, monkeypatch, tmp_path, {**CONFIG, **changed}, resume=True)
    assert message in error
    assert "resume with the former value, or train anew in another --ckpt_dir" in error


def test_paths_hardware_intervals_and_logging_may_change(tmp_path, monkeypatch):
    settings_with(monkeypatch, tmp_path, CONFIG)
    changed = {"_desc_": "other", "dataset_dir": "b", "num_workers": 3, "device": "cuda", "resume": True, "amp": False}
    changed |= {"line_interval_epochs": 5, "term_interval_iterations": 9}
    changed["train"] = {**CONFIG["train"], "handlers": []}
    settings_with(monkeypatch, tmp_path, {**CONFIG, **changed, "patch_size": (8, 8)}, resume=True)


def test_other_training_cases_are_refused(tmp_path):
    train(tmp_path)
    trainer, _, _ = make_training(tmp_path, resume=True)
    trainer.data_loader.dataset.data[0]["case"] = "another patient"
    with pytest.raises(ValueError, match=r"its training has training cases = 6, of hash \w{8}, now it is 6, of hash"):
        trainer.run()
