import pytest
import torch
from ignite.engine import Engine
from monai.engines import SupervisedTrainer

from shared.handlers import GradientClip


def step_of(max_norm, scale):
    """Return how far one step of plain descent with rate 1 moves the two weights of a linear layer."""
    network = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    item = {"image": torch.tensor([[3.0, 4.0]]), "label": torch.zeros(1, 1)}
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[item],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=1.0),
        loss_function=lambda pred, label: scale * pred.sum(),
        train_handlers=[GradientClip(max_norm)],
    )
    trainer.run()
    return -network.weight.detach()[0]


def test_a_long_gradient_is_scaled_to_the_norm_and_a_short_one_left_alone():
    torch.testing.assert_close(step_of(1.0, scale=1.0), torch.tensor([0.6, 0.8]), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(step_of(1.0, scale=0.1), torch.tensor([0.3, 0.4]))


def test_scaled_gradients_are_unscaled_before_they_are_measured():
    network = torch.nn.Linear(2, 1, bias=False)
    engine = Engine(lambda engine, batch: None)
    engine.network, engine.optimizer = network, torch.optim.SGD(network.parameters(), lr=1.0)
    engine.scaler = torch.amp.GradScaler("cpu", init_scale=100.0)
    engine.scaler.scale(network(torch.tensor([[0.3, 0.4]])).sum()).backward()
    GradientClip(1.0)(engine)
    torch.testing.assert_close(network.weight.grad, torch.tensor([[0.3, 0.4]]))


def test_without_a_norm_the_gradient_stays():
    torch.testing.assert_close(step_of(None, scale=1.0), torch.tensor([3.0, 4.0]))


def test_a_senseless_norm_is_refused():
    with pytest.raises(ValueError, match="max_norm"):
        GradientClip(0.0)
