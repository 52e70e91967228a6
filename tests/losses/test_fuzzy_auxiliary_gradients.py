"""Gradients of the fuzzy auxiliary loss: Eq. 7 for the logits, Eq. 8 for rho."""

import pytest
import torch
from fuzzy_cases import SETTINGS, SHAPES, probabilities_of, random_case

from shared.losses import FuzzyAuxiliaryLoss, fuzzy_auxiliary_terms


@pytest.mark.parametrize(("rho_1", "rho_2"), SETTINGS)
def test_gradients_of_rho_are_eq_8_and_have_its_signs(rho_1, rho_2):
    logits, memberships = random_case((2, 4, 9, 7))
    loss = FuzzyAuxiliaryLoss(rho_1, rho_2)
    loss(logits, memberships).backward()
    p, mu = probabilities_of(logits), memberships.double()
    by_rho_1 = -(rho_2 / rho_1 * (1 - mu)).sum(dim=1).mean()
    by_rho_2 = -((1 - mu) * (rho_1 * (1 - p)).log()).sum(dim=1).mean()
    # rho is a sigmoid of the raw parameter: d rho / d raw = rho (1 - rho)
    assert loss.raw_rho_1.grad.item() == pytest.approx((by_rho_1 * rho_1 * (1 - rho_1)).item(), rel=1e-4)
    assert loss.raw_rho_2.grad.item() == pytest.approx((by_rho_2 * rho_2 * (1 - rho_2)).item(), rel=1e-4)
    assert loss.raw_rho_1.grad < 0 < loss.raw_rho_2.grad


@pytest.mark.parametrize("learnable", [True, False])
@pytest.mark.parametrize(("rho_1", "rho_2"), SETTINGS)
def test_gradient_of_the_logits_is_eq_7_through_the_softmax(rho_1, rho_2, learnable):
    logits, memberships = random_case((2, 4, 5, 6))
    logits.requires_grad_()
    FuzzyAuxiliaryLoss(rho_1, rho_2, learnable)(logits, memberships).backward()
    p, mu = probabilities_of(logits.detach()), memberships.double()
    eq_7 = -mu / p + rho_2 * (1 - mu) / (1 - p)
    by_logits = p * (eq_7 - (p * eq_7).sum(dim=1, keepdim=True)) / (2 * 5 * 6)
    torch.testing.assert_close(logits.grad.double(), by_logits, rtol=1e-4, atol=1e-8)


def test_gradients_are_those_of_finite_differences():
    logits, memberships = random_case((1, 3, 2, 2))
    arguments = (logits.double().requires_grad_(), memberships.double())
    assert torch.autograd.gradcheck(FuzzyAuxiliaryLoss(0.3, 0.6).double(), arguments)
    assert torch.autograd.gradcheck(fuzzy_auxiliary_terms, arguments)


@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
def test_gradient_of_each_term_is_at_most_1(shape):
    """Also where the network is certain and wrong."""
    logits, memberships = random_case(shape, scale=50.0)
    for term in (0, 1):
        at = logits.clone().requires_grad_()
        fuzzy_auxiliary_terms(at, memberships)[term].sum().backward()
        assert 0.9 < at.grad.abs().max() <= 1 + 1e-5
