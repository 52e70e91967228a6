"""The bound on learned log variances, which leaves a way back."""

import math

import pytest
import torch
from given_losses import descend, given, set_log_variances


def test_weight_stays_within_the_bound():
    """A loss that goes to zero, and one that explodes."""
    weighted, total = given(1e-9, 1e9)
    descend(total, torch.optim.Adam(weighted.parameters(), lr=0.1), steps=60)
    terms = weighted.terms({"a": torch.tensor(1e-9), "b": torch.tensor(1e9)}, {"none": None})
    assert terms["weight_a"].item() == pytest.approx(math.exp(3))
    assert terms["weight_b"].item() == pytest.approx(math.exp(-3))
    assert terms["log_variance_a"] == -3
    assert weighted.log_variances["a"] > -6  # it does not run away behind the bound


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("start", "loss"), [(-2.9, 1e-6), (2.9, 100.0)], ids=["lower", "upper"])
def test_scalar_beyond_the_bound_comes_back(start, loss, momentum):
    """A hard clamp, whose gradient is zero outside, would hold it for ever."""
    value = torch.tensor(loss)
    weighted, total = given(value)
    set_log_variances(weighted, start)
    optimizer = torch.optim.SGD(weighted.parameters(), lr=0.05, momentum=momentum)
    descend(total, optimizer, steps=20)
    assert 3 < abs(weighted.log_variances["a"].item()) < 6
    value.fill_(1.0)
    descend(total, optimizer, steps=230)
    assert weighted.log_variances["a"].item() == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(
    ("log_variance", "loss", "gradient"),
    [
        (-4.0, 10.0, 1 - math.exp(3) * 10),  # descent leads up, back inside
        (-4.0, 0.01, 0.0),  # it would lead further down
        (4.0, 1.0, 1 - math.exp(-3)),
        (4.0, 1000.0, 0.0),
        (3.0, 1000.0, 1 - math.exp(-3) * 1000),  # at the bound
        (-3.0, 0.01, 1 - math.exp(3) * 0.01),
    ],
)
def test_gradient_beyond_the_bound_only_leads_back(log_variance, loss, gradient):
    weighted, total = given(loss)
    set_log_variances(weighted, log_variance)
    total().backward()
    assert weighted.log_variances["a"].grad.item() == pytest.approx(gradient, rel=1e-5)


def test_without_bound_nothing_stops_the_weight():
    weighted, total = given(1e-9, max_log_variance=None)
    set_log_variances(weighted, -10.0)
    total().backward()
    assert weighted.log_variances["a"].grad.item() == pytest.approx(1, abs=1e-3)
    assert weighted.terms({"a": torch.tensor(1.0)}, {"none": None})["weight_a"].item() == pytest.approx(math.exp(10))
