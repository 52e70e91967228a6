import pytest
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer

from shared.handlers import LossTerms, write_epoch_scalars


class TwoTerms(torch.nn.Module):
    """Mean logit and mean label; a third term that is NaN for labels of 0."""

    def terms(self, logits, label):
        return {"logit": logits.mean(), "label": label.mean(), "sometimes": label.mean() / label.mean()}

    def forward(self, logits, label):
        return (logits - label).square().mean()


def run(interval):
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(network.weight)
    batches = [{"image": torch.full((1, 1), value), "label": torch.full((1, 1), value)} for value in (0.0, 2.0, 4.0)]
    epochs = []
    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=2,
        train_data_loader=batches,
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.0),
        loss_function=TwoTerms(),
        train_handlers=[LossTerms(TwoTerms(), interval)],
    )
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: epochs.append(engine.state.loss_terms))
    trainer.run()
    return epochs, trainer


def test_terms_are_averaged_over_each_epoch_and_nan_is_left_out():
    epochs, _ = run(interval=1)
    assert epochs == [pytest.approx({"logit": 2.0, "label": 2.0, "sometimes": 1.0})] * 2


def test_interval_takes_every_other_iteration():
    epochs, _ = run(interval=2)
    assert [epoch["label"] for epoch in epochs] == [pytest.approx(2.0), pytest.approx(2.0)]


def test_terms_and_metrics_go_to_tensorboard():
    class Writer(dict):
        def add_scalar(self, name, value, epoch):
            self[name] = (value, epoch)

    _, trainer = run(interval=1)
    trainer.state.metrics = {"dice": 0.5}
    writer = Writer()
    write_epoch_scalars(trainer, writer)
    assert writer == {"dice": (0.5, 2), "logit": (2.0, 2), "label": (2.0, 2), "sometimes": (1.0, 2)}
