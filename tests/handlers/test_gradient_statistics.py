import csv
import math
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from monai.losses import DiceCELoss
from monai.utils import set_determinism
from torch import nn

from shared.handlers import GradientStatistics
from shared.handlers.gradient_statistics import relative_variance
from shared.losses import FuzzyAuxiliaryLoss, MissingModalityLoss, ParetoFuzzyLoss

STEPS = 3


def make_batches():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(STEPS, 1, 1, 6, 6, 6, generator=generator)
    return [{"image": image, "label": (image > 0.5).long() + (image > 1)} for image in images]


def make_training(folder, learning_rate=0.1, max_epochs=2, with_statistics=True, resumed_after=0, dies_in=None):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.Dropout(0.3), nn.Conv3d(4, 3, 1))
    loss = ParetoFuzzyLoss(DiceCELoss(to_onehot_y=True, softmax=True), FuzzyAuxiliaryLoss(), fuzzy_weight=0.5)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=max_epochs,
        train_data_loader=make_batches(),
        network=network,
        optimizer=torch.optim.Adam([*network.parameters(), *loss.parameters()], lr=learning_rate),
        loss_function=loss,
    )

    @trainer.on(Events.STARTED)
    def resume(engine):  # as TrainingCheckpoint does
        engine.state.epoch, engine.state.iteration = resumed_after, STEPS * resumed_after

    @trainer.on(Events.EPOCH_COMPLETED)
    def die(engine):
        if engine.state.epoch == dies_in:
            raise KeyboardInterrupt

    if with_statistics:
        GradientStatistics(loss, network[3], str(folder)).attach(trainer)
    return trainer, network, loss


def rows_of(folder):
    with (folder / "gradients.csv").open() as file:
        return [{name: float(text or "nan") for name, text in row.items()} for row in csv.DictReader(file)]


def test_relative_variance_by_hand():
    """Gradients (1, 0), (3, 0), (2, 3): mean (2, 1), squared distances 2, 2 and 4, so 8 / 3 over 5."""
    assert relative_variance(torch.tensor([[1.0, 0], [3, 0], [2, 3]])) == pytest.approx(8 / 15)


def test_a_single_step_does_not_vary_and_a_mean_of_zero_is_no_divisor():
    assert relative_variance(torch.tensor([[1.0, 2.0]])) == 0
    assert math.isnan(relative_variance(torch.tensor([[1.0], [-1.0]])))


def test_training_is_the_same_bit_for_bit_with_and_without(tmp_path):
    states = []
    for with_statistics in (True, False):
        set_determinism(0)
        trainer, network, loss = make_training(tmp_path, with_statistics=with_statistics)
        trainer.run()
        states.append({**network.state_dict(), **loss.state_dict()})
    set_determinism(None)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])
    assert len(rows_of(tmp_path)) == 2


def restated(network, loss):
    """Gradients of the last layer per step, of the main and of the fuzzy loss."""
    found = {"base": [], "fuzzy": []}
    for batch in make_batches():
        for name, gradients in found.items():
            network.zero_grad()
            loss.terms(network(batch["image"]), batch["label"])[name].backward()
            gradients.append(torch.cat([p.grad.flatten() for p in network[3].parameters()]).double().clone())
    return torch.stack(found["base"]), torch.stack(found["fuzzy"])


@pytest.mark.parametrize("scale", [None, 1024.0])
def test_numbers_restated(tmp_path, scale):
    """A network that stands still; also with a loss that is scaled for half precision."""
    trainer, network, loss = make_training(tmp_path, learning_rate=0.0, max_epochs=1)
    network[2].p = 0.0
    if scale is not None:
        stub = SimpleNamespace(get_scale=lambda: scale)
        trainer.add_event_handler(Events.STARTED, lambda engine: setattr(engine, "scaler", stub))
    trainer.run()
    (row,) = rows_of(tmp_path)
    base, fuzzy = restated(network, loss)
    whole = base + 0.5 * fuzzy
    mean = whole.mean(0)
    assert row["steps"] == STEPS
    variance = ((whole - mean) ** 2).sum(1).mean()
    assert row["relative_variance"] == pytest.approx((variance / (mean**2).sum()).item(), rel=1e-4)
    assert row["mean_gradient_norm"] == pytest.approx(mean.norm().item(), rel=1e-4)
    assert row["cosine"] == pytest.approx(torch.cosine_similarity(base, fuzzy).mean().item(), rel=1e-4)
    assert row["base_gradient_norm"] == pytest.approx(base.norm(dim=1).mean().item(), rel=1e-4)
    assert row["fuzzy_gradient_norm"] == pytest.approx(fuzzy.norm(dim=1).mean().item(), rel=1e-4)


@pytest.mark.parametrize(("fused_weight", "branches"), [(0.0, ["fused"]), (1.0, []), (1.0, ["fused"])])
def test_the_whole_gradient_is_that_of_the_training(tmp_path, fused_weight, branches):
    """In a warm-up the fused output does not count, and fuzzy labels may be for other branches alone."""
    trainer, network, loss = make_training(tmp_path, learning_rate=0.0, max_epochs=1, with_statistics=False)
    network[2].p = 0.0
    whole = MissingModalityLoss(loss, expert_weight=0.0, deep_supervision_weight=0.0, fuzzy_branches=branches)
    whole.set_fused_weight(fused_weight)
    trainer.loss_function = lambda prediction, label: whole({"pred": prediction}, label)
    terms = SimpleNamespace(terms=lambda prediction, label: whole.terms({"pred": prediction}, label))
    GradientStatistics(terms, network[3], str(tmp_path)).attach(trainer)
    trainer.run()
    gradients = []
    for batch in make_batches():
        network.zero_grad()
        trainer.loss_function(network(batch["image"]), batch["label"]).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network[3].parameters()]).double().clone())
    mean = torch.stack(gradients).mean(0)
    (row,) = rows_of(tmp_path)
    assert row["mean_gradient_norm"] == pytest.approx(mean.norm().item(), rel=1e-4)
    assert math.isnan(row["relative_variance"]) == (fused_weight == 0)


def test_steps_without_a_finite_gradient_are_left_out(tmp_path):
    trainer, *_ = make_training(tmp_path, learning_rate=0.0, max_epochs=1)
    trainer.data_loader[-1]["image"] = torch.full_like(trainer.data_loader[-1]["image"], math.inf)
    trainer.run()
    (row,) = rows_of(tmp_path)
    assert row["steps"] == STEPS - 1
    assert math.isfinite(row["relative_variance"])


def test_a_resumed_training_keeps_the_rows_before_it(tmp_path):
    trainer, *_ = make_training(tmp_path, max_epochs=4, dies_in=3)
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    before = rows_of(tmp_path)
    assert [row["epoch"] for row in before] == [1, 2, 3]  # there before what is done at the epoch's end
    make_training(tmp_path, max_epochs=4, resumed_after=2)[0].run()
    after = rows_of(tmp_path)
    assert [row["epoch"] for row in after] == [1, 2, 3, 4]
    assert after[:2] == before[:2]
    assert after[2] != before[2]
    make_training(tmp_path, max_epochs=1)[0].run()
    assert len(rows_of(tmp_path)) == 1
    assert (tmp_path / "gradients.png").read_bytes().startswith(b"\x89PNG")


def test_refuses_a_layer_without_parameters(tmp_path):
    with pytest.raises(ValueError, match="layer has no parameters: ReLU"):
        GradientStatistics(nn.Identity(), nn.ReLU(), str(tmp_path))
