import itertools
import math

import pytest
import torch
from ignite.engine import Engine, Events
from monai.handlers import ParamSchedulerHandler
from monai.losses import DiceLoss

from shared.errors import InputError
from shared.handlers import ConstantWeight, ExponentialDecay, LinearDecay, LinearRamp, WarmUp
from shared.losses import FuzzyAuxiliaryLoss, ParetoFuzzyLoss, RegionCurriculum

DECAYS = [LinearDecay, ExponentialDecay]


def schedule(value_of_epoch, epochs, first=1):
    """The values in the epochs `first` to `epochs`, as the handler asks for them."""
    return [value_of_epoch(current_step=epoch) for epoch in range(first, epochs + 1)]


@pytest.mark.parametrize("initial_value", [1.0, 0.3, 0.0])
def test_constant_weight_never_changes(initial_value):
    assert schedule(ConstantWeight(initial_value), 7) == [initial_value] * 7


def test_exponential_decay_by_hand():
    """lambda(t) = lambda_0 exp(-alpha t), alpha = ln(100) / T: with T = 4 every two epochs divide by 10."""
    expected = [2, 2 / math.sqrt(10), 0.2, 0.2 / math.sqrt(10), 0.02]
    assert schedule(ExponentialDecay(2.0, max_epochs=4), 5) == pytest.approx(expected)


def test_linear_decay_by_hand():
    """From 2 in a straight line to 1 % of it after T = 4 epochs."""
    assert schedule(LinearDecay(2.0, max_epochs=4), 5) == pytest.approx([2, 1.505, 1.01, 0.515, 0.02])


@pytest.mark.parametrize("epoch", [1, 2, 11, 500, 1000])
def test_exponential_decay_is_the_papers_formula(epoch):
    alpha = math.log(100) / 1000
    assert ExponentialDecay(0.7, 1000)(current_step=epoch) == pytest.approx(0.7 * math.exp(-alpha * (epoch - 1)))


@pytest.mark.parametrize("final_share", [0.5, 0.01, 1e-4, 1.0])
@pytest.mark.parametrize("decay", DECAYS)
def test_decay_goes_from_all_to_the_final_share(decay, final_share):
    value_of_epoch = decay(3.0, max_epochs=20, final_share=final_share)
    assert value_of_epoch(current_step=1) == 3
    assert value_of_epoch(current_step=21) == pytest.approx(3 * final_share)


@pytest.mark.parametrize("decay", DECAYS)
def test_decay_never_rises_and_stays_a_weight(decay):
    """Also in a training that goes on after max_epochs."""
    values = schedule(decay(1.0, max_epochs=10), 50)
    assert all(later <= earlier for earlier, later in itertools.pairwise(values))
    assert values[-1] >= 0


def test_straight_and_curved():
    """Equal differences on the one hand, equal ratios on the other, and the exponential lies below."""
    linear, exponential = schedule(LinearDecay(1.0, 10), 11), schedule(ExponentialDecay(1.0, 10), 11)
    assert [a - b for a, b in itertools.pairwise(linear)] == pytest.approx([0.099] * 10)
    assert [b / a for a, b in itertools.pairwise(exponential)] == pytest.approx([0.01**0.1] * 10)
    assert all(e < s for e, s in zip(exponential[1:-1], linear[1:-1]))


def weights_seen(value_of_epoch, max_epochs, start_epoch=0):
    """What `ParetoFuzzyLoss` weighs by at every iteration of a run of two iterations an epoch."""
    loss = ParetoFuzzyLoss(DiceLoss(to_onehot_y=True), FuzzyAuxiliaryLoss(), fuzzy_weight=77.0)
    logits, label = torch.zeros(1, 2, 3, 3), torch.zeros(1, 1, 3, 3)
    seen = []

    def step(engine, batch):
        with torch.no_grad():
            terms = loss.terms(logits, label)
        torch.testing.assert_close(loss(logits, label), terms["base"] + terms["fuzzy_weight"] * terms["fuzzy"])
        seen.append(terms["fuzzy_weight"].item())

    engine = Engine(step)
    ParamSchedulerHandler(
        parameter_setter=loss.set_fuzzy_weight,
        value_calculator=value_of_epoch,
        vc_kwargs={},
        epoch_level=True,
        event=Events.EPOCH_STARTED,
    ).attach(engine)
    if start_epoch:
        engine.load_state_dict({"epoch": start_epoch, "max_epochs": max_epochs, "epoch_length": 2})
    engine.run([0, 1], max_epochs=max_epochs, epoch_length=2)
    return seen


@pytest.mark.parametrize("value_of_epoch", [ConstantWeight(0.5), LinearDecay(1.0, 5), ExponentialDecay(1.0, 5)])
def test_handler_sets_the_weight_before_the_first_iteration_of_every_epoch(value_of_epoch):
    expected = [value for value in schedule(value_of_epoch, 5) for _ in range(2)]
    assert weights_seen(value_of_epoch, 5) == pytest.approx(expected)


@pytest.mark.parametrize("value_of_epoch", [ConstantWeight(0.5), LinearDecay(1.0, 5), ExponentialDecay(1.0, 5)])
def test_resumed_run_weighs_as_the_unbroken_one(value_of_epoch):
    assert weights_seen(value_of_epoch, 5, start_epoch=3) == weights_seen(value_of_epoch, 5)[6:]


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
@pytest.mark.parametrize("make", [ConstantWeight, lambda v: LinearDecay(v, 5), lambda v: ExponentialDecay(v, 5)])
def test_refuses_what_is_no_weight(make, value):
    with pytest.raises(ValueError, match=f"initial_value must be finite and at least 0, got {value}"):
        make(value)


@pytest.mark.parametrize("decay", DECAYS)
def test_refuses_an_impossible_decay(decay):
    with pytest.raises(ValueError, match="max_epochs must be at least 1, got 0"):
        decay(1.0, 0)
    for final_share in (-0.1, 1.1):
        with pytest.raises(ValueError, match=f"final_share must be in .* got {final_share}"):
            decay(1.0, 5, final_share)
    with pytest.raises(ValueError, match=r"final_share must be in \(0, 1\], got 0"):
        ExponentialDecay(1.0, 5, 0)


def test_ramp_by_hand():
    """Eight epochs, all admitted after half of them; then one that begins at 0.2."""
    assert schedule(LinearRamp(8), 8) == [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]
    assert schedule(LinearRamp(4, initial_value=0.2, full_at_share=1.0), 5) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize("initial_value", [0.0, 0.1, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.77, 1.0])
def test_ramp_rises_to_exactly_1_and_stays(initial_value, share):
    found = schedule(LinearRamp(30, initial_value, share), 40)
    assert found[0] == pytest.approx(initial_value)
    assert all(earlier <= later for earlier, later in itertools.pairwise(found))
    assert set(found[30:]) == {1.0}


def test_handler_sets_the_curriculum_before_every_epoch_and_after_a_resume():
    curriculum, seen = RegionCurriculum(), []
    for first in (0, 2):
        engine = Engine(lambda engine, batch: seen.append(curriculum.admitted_uncertainty.item()))
        ParamSchedulerHandler(
            parameter_setter=curriculum.set_admitted_uncertainty,
            value_calculator=LinearRamp(4),
            vc_kwargs={},
            epoch_level=True,
            event=Events.EPOCH_STARTED,
        ).attach(engine)
        if first:
            engine.load_state_dict({"epoch": first, "max_epochs": 4, "epoch_length": 1})
        engine.run([0], max_epochs=4, epoch_length=1)
    assert seen == [0, 0.5, 1, 1, 1, 1]


def test_refuses_what_is_no_ramp():
    with pytest.raises(InputError, match=r"initial value must be in \[0, 1\], got 1.1"):
        LinearRamp(5, initial_value=1.1)
    with pytest.raises(InputError, match=r"full_at_share must be in \(0, 1\], got 0"):
        LinearRamp(5, full_at_share=0)
    with pytest.raises(ValueError, match="max_epochs must be at least 1"):
        LinearRamp(0)


def test_the_weight_is_zero_for_so_many_epochs_and_one_from_then_on():
    assert [WarmUp(2)(epoch) for epoch in (1, 2, 3, 300)] == [0.0, 0.0, 1.0, 1.0]
    assert WarmUp(0)(1) == 1.0


def test_a_training_that_ends_before_the_weight_counts_is_warned_of(caplog):
    WarmUp(20, max_epochs=21)
    assert not caplog.messages
    WarmUp(20, max_epochs=20)
    assert caplog.messages == [
        "The fused output is not trained: 20 epochs of warm-up, 20 of training; lower --warm_up_epochs."
    ]


@pytest.mark.parametrize("epochs", [-1, 2.5])
def test_other_than_a_number_of_epochs_is_refused(epochs):
    with pytest.raises(InputError, match="whole number of epochs, at least 0, not "):
        WarmUp(epochs)


def test_epochs_are_counted_from_one():
    with pytest.raises(ValueError, match="counted from 1"):
        WarmUp(1)(0)
