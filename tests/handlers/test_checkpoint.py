"""Training that is broken off and resumed ends like an unbroken one; damaged or foreign files are named."""

import pytest
import torch
from ignite.engine import Events
from tiny_training import EPOCHS, OF_ANOTHER_KIND, input_error, make_training, train


@pytest.mark.parametrize("stop_at", [4, 8, 14])  # iterations; 3 an epoch
def test_resumed_training_equals_unbroken_bit_for_bit(tmp_path, stop_at):
    _, whole_evaluator, whole = train(tmp_path / "whole")
    train(tmp_path / "broken", stop_at=stop_at)
    trainer, evaluator, resumed = train(tmp_path / "broken", resume=True)
    assert trainer.state.epoch == EPOCHS
    assert evaluator.state.best_metric == whole_evaluator.state.best_metric
    assert evaluator.state.best_metric_epoch == whole_evaluator.state.best_metric_epoch
    for name in ("network", "loss"):
        for key, value in whole[name].state_dict().items():
            assert torch.equal(value, resumed[name].state_dict()[key]), (name, key)
    for file in ("model.pt", "model_last.pt"):
        expected = torch.load(tmp_path / "whole" / file, weights_only=True)
        found = torch.load(tmp_path / "broken" / file, weights_only=True)
        assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.filterwarnings("ignore:.*Disabling autocast")  # MONAI asks for that of CUDA
@pytest.mark.parametrize("stop_at", [4, 8, 14])
def test_a_resumed_training_goes_on_with_the_scale_of_mixed_precision(tmp_path, monkeypatch, stop_at):
    """The scale doubles every fourth of the 15 iterations: an unbroken training ends three after the third time."""

    def scaler():
        return torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=4)

    monkeypatch.setattr(torch.cuda.amp, "GradScaler", scaler)  # MONAI makes it whenever a training starts
    train(tmp_path, stop_at=stop_at, amp=True)
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["scaler"]
    done = stop_at // 3 * 3
    assert (saved["scale"], saved["_growth_tracker"]) == (1024.0 * 2 ** (done // 4), done % 4)
    trainer, _, _ = train(tmp_path, resume=True, amp=True)
    assert (trainer.scaler.get_scale(), trainer.scaler.state_dict()["_growth_tracker"]) == (1024.0 * 2**3, 3)


def test_a_finished_training_resumes_to_itself(tmp_path):
    _, _, before = train(tmp_path)
    trainer, _, after = train(tmp_path, resume=True)
    assert trainer.state.epoch == EPOCHS
    assert torch.equal(before["network"][0].weight, after["network"][0].weight)


def test_a_training_that_stops_early_leaves_its_last_checkpoint(tmp_path):
    trainer, evaluator, _ = make_training(tmp_path, interval=100, patience=2)
    trainer.add_event_handler(Events.EPOCH_STARTED(once=2), lambda _: setattr(evaluator.state, "best_metric", 2.0))
    trainer.run()
    assert trainer.state.epoch == 3
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["epoch"] == 3


def test_model_holds_the_best_weights_and_model_last_the_last(tmp_path):
    _, evaluator, objects = train(tmp_path)
    last = torch.load(tmp_path / "model_last.pt", weights_only=True)
    assert torch.equal(last["0.weight"], objects["network"][0].weight)
    objects["network"].load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    best = evaluator.state.best_metric
    evaluator.run(global_epoch=EPOCHS + 1)
    assert evaluator.state.metrics["dice"] == pytest.approx(best)


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    train(tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def half_a_file(content, path):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half_a_file)
    trainer, _, _ = make_training(tmp_path)
    with pytest.raises(OSError, match="disk full"):
        trainer.run()
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_resuming_from_nothing_damage_or_another_training_is_refused(tmp_path):
    assert "no such checkpoint; train without resume.json first" in input_error(train, tmp_path, resume=True)
    train(tmp_path)
    assert "belongs to another network" in input_error(train, tmp_path, resume=True, width=5)
    whole = (tmp_path / "checkpoint.pt").read_bytes()
    (tmp_path / "checkpoint.pt").write_bytes(whole[: len(whole) // 2])
    assert "not a readable checkpoint" in input_error(train, tmp_path, resume=True)
    for content in OF_ANOTHER_KIND:
        torch.save(content, tmp_path / "checkpoint.pt")
        assert "belongs to another network" in input_error(train, tmp_path, resume=True)
