"""rho_1 and rho_2, learned or fixed, in the state and in a checkpoint."""

import io
import math

import pytest
import torch
from fuzzy_cases import SETTINGS, random_case

from shared.losses import FuzzyAuxiliaryLoss


def raw(rho):
    return math.log(rho / (1 - rho))


@pytest.mark.parametrize(("rho_1", "rho_2"), SETTINGS)
def test_learnable_rho_is_the_sigmoid_of_a_raw_parameter(rho_1, rho_2):
    loss = FuzzyAuxiliaryLoss(rho_1, rho_2)
    assert dict(loss.named_parameters()).keys() == loss.state_dict().keys() == {"raw_rho_1", "raw_rho_2"}
    assert loss.raw_rho_1.item() == pytest.approx(raw(rho_1), abs=1e-5)
    assert loss.raw_rho_2.item() == pytest.approx(raw(rho_2), abs=1e-5)
    assert (loss.rho_1.item(), loss.rho_2.item()) == pytest.approx((rho_1, rho_2), rel=1e-5)


def test_default_is_one_half_each():
    assert FuzzyAuxiliaryLoss().raw_rho_1 == FuzzyAuxiliaryLoss().raw_rho_2 == 0


def test_fixed_rho_is_exact_and_travels_with_the_state():
    loss = FuzzyAuxiliaryLoss(0.3, 0.0, learnable=False)
    assert list(loss.parameters()) == []
    assert (loss.rho_1, loss.rho_2) == (torch.tensor(0.3), 0)
    other = FuzzyAuxiliaryLoss(1.0, 1.0, learnable=False)
    other.load_state_dict(loss.state_dict())
    assert (other.rho_1, other.rho_2) == (loss.rho_1, loss.rho_2)


def trained(steps, resume_after=None):
    """Adam on the logits and rho; with `resume_after` everything goes through a checkpoint on the way."""

    def start():
        logits = random_case((2, 4, 6, 5))[0].requires_grad_()
        loss = FuzzyAuxiliaryLoss(0.4, 0.6)
        groups = [{"params": [logits]}, {"params": list(loss.parameters()), "lr": 0.05, "weight_decay": 0}]
        return logits, loss, torch.optim.Adam(groups, lr=0.01, weight_decay=1e-3)

    _, memberships = random_case((2, 4, 6, 5))
    logits, loss, optimizer = start()
    for step in range(steps):
        if step == resume_after:
            file = io.BytesIO()
            states = {"logits": logits.detach(), "loss": loss.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(states, file)
            file.seek(0)
            checkpoint = torch.load(file, weights_only=True)
            logits, loss, optimizer = start()
            logits.data.copy_(checkpoint["logits"])
            loss.load_state_dict(checkpoint["loss"])
            optimizer.load_state_dict(checkpoint["optimizer"])
        optimizer.zero_grad()
        loss(logits, memberships).backward()
        optimizer.step()
    return logits, loss.raw_rho_1, loss.raw_rho_2


def test_resumed_training_is_the_unbroken_one():
    unbroken, resumed = trained(12), trained(12, resume_after=5)
    for one, other in zip(unbroken, resumed):
        assert torch.equal(one, other)
    assert unbroken[1] > raw(0.4) + 0.3
    assert unbroken[2] < raw(0.6) - 0.3


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1.2, math.nan])
@pytest.mark.parametrize("name", ["rho_1", "rho_2"])
def test_refuses_a_learnable_rho_that_no_sigmoid_reaches(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be in \(0, 1\) if learnable .*got {value}"):
        FuzzyAuxiliaryLoss(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("rho_1", 0.0), ("rho_1", 1.2), ("rho_2", -0.1), ("rho_2", 2.0)])
def test_refuses_a_fixed_rho_outside_its_range(name, value):
    """log(rho_1) needs rho_1 > 0; rho_2 = 0 is the soft cross-entropy."""
    with pytest.raises(ValueError, match=rf"{name} must be in .* got {value}"):
        FuzzyAuxiliaryLoss(**{name: value}, learnable=False)
