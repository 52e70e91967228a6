"""Losses weighted by learned uncertainties: the sum, where it leads, and which losses it suits."""

import math

import pytest
import torch
from given_losses import descend, given, set_log_variances
from gland_losses import INPUTS, gland_case, gland_losses, weighted_gland_losses

from shared.losses import HierarchicalTopologyLoss


def test_sum_of_two_losses_by_hand():
    """sigma^2 = 2 and 1/4: 3 / 2 + log 2, and 5 x 4 - log 4."""
    weighted, total = given(3.0, 5.0)
    set_log_variances(weighted, math.log(2), -math.log(4))
    assert total().item() == pytest.approx(1.5 + math.log(2) + 20 - math.log(4))


def test_starts_as_the_plain_sum():
    prediction, target = gland_case()
    expected = sum(loss(prediction[INPUTS[name][0]], target[INPUTS[name][1]]) for name, loss in gland_losses().items())
    torch.testing.assert_close(weighted_gland_losses()(prediction, target), expected)
    assert all(scalar.item() == 0 for scalar in weighted_gland_losses().log_variances.values())


def test_gradients_are_those_of_eq_5():
    """The network gets exp(-s) times the loss's own gradient, the scalar gets 1 - exp(-s) L."""
    value = torch.tensor(0.7, requires_grad=True)
    weighted, total = given(value)
    set_log_variances(weighted, 0.4)
    total().backward()
    assert value.grad.item() == pytest.approx(math.exp(-0.4))
    assert weighted.log_variances["a"].grad.item() == pytest.approx(1 - math.exp(-0.4) * 0.7)


def test_learned_variance_becomes_the_loss_and_the_sum_negative():
    """sigma^2 = L, sum = 1 + log L, below zero for L < 1 / e: a negative total is no error."""
    weighted, total = given(0.1, 2.0)
    descend(total, torch.optim.SGD(weighted.parameters(), lr=0.5), steps=40)
    assert weighted.log_variances["a"].item() == pytest.approx(math.log(0.1), abs=1e-3)
    assert weighted.log_variances["b"].item() == pytest.approx(math.log(2), abs=1e-3)
    assert total().item() == pytest.approx(2 + math.log(0.1) + math.log(2), abs=1e-4)


def steps_of_sgd(pixels, steps):
    """Log variances after each step at the paper's rate, for a topology loss times `pixels`, from zero logits."""
    loss = pixels * HierarchicalTopologyLoss()(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
    weighted, total = given(loss, max_log_variance=None)
    optimizer = torch.optim.SGD(weighted.parameters(), lr=0.01)
    log_variances = []
    for _ in range(steps):
        descend(total, optimizer)
        log_variances.append(weighted.log_variances["a"].item())
    return log_variances


def test_sums_over_pixels_switch_the_losses_off():
    """Eqs. 6, 8, 9 sum over the 250 x 250 pixels of a patch, but add log sigma^2 once.

    One step of SGD puts s at 687, exp(-s) is 0 from then on, and the way back is 0.01 per step: 67,000 steps without
    this loss. So losses have to be means: the same first step is 0.001.
    """
    first, second, third = steps_of_sgd(pixels=62500, steps=3)
    assert first == pytest.approx(687, abs=1)
    assert torch.tensor(-first).exp() == 0
    assert first - second == pytest.approx(0.01, abs=1e-3)
    assert first - third == pytest.approx(0.02, abs=1e-3)
    assert steps_of_sgd(pixels=1, steps=1) == [pytest.approx(0.01 * (math.log(3) - 1))]


def terms_after_a_constant_prediction(weights):
    """Sixty steps of SGD on the weights alone, for a network that says the same everywhere."""
    weighted = weighted_gland_losses(weights=weights)
    constant = {"pred": torch.zeros(1, 3, 8, 8), "class_logits": torch.zeros(1, 2)}
    target = {"label": torch.ones(1, 1, 8, 8, dtype=torch.long), "grade": torch.tensor([0])}
    descend(lambda: weighted(constant, target), torch.optim.SGD(weighted.parameters(), lr=0.1), steps=60)
    return weighted.terms(constant, target)


def test_a_constant_prediction_drives_the_learned_weight_of_the_geometry_loss_to_its_bound():
    """The paper's claim that Eq. 5 holds for L_g as well: a constant prediction has L_g = 0, so 1 + log L_g has no
    minimum, and the weight of the one loss that rewards saying nothing grows twenty-fold. A fixed one stays."""
    terms = terms_after_a_constant_prediction(None)
    assert terms["geometry"] == 0
    assert terms["weight_geometry"].item() == pytest.approx(math.exp(3))
    assert max(terms[f"weight_{name}"].item() for name in ("class", "mask", "topology")) < 2
    assert terms_after_a_constant_prediction({**dict.fromkeys(INPUTS), "geometry": 0.25})["weight_geometry"] == 0.25
