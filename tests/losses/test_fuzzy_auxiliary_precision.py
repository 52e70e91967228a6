"""Logits of 50 and half precision."""

import itertools

import pytest
import torch
from fuzzy_cases import random_case

from shared.losses import FuzzyAuxiliaryLoss, fuzzy_auxiliary_terms


def extreme_logits():
    """Every combination of -50, 0 and 50 over four classes, each with every class labelled: (324, 4, 1, 1)."""
    combinations = torch.tensor(list(itertools.product([-50.0, 0.0, 50.0], repeat=4)))
    logits = combinations.repeat_interleave(4, dim=0).view(-1, 4, 1, 1)
    onehot = torch.eye(4).repeat(len(combinations), 1).view(-1, 4, 1, 1)
    return logits, onehot


@pytest.mark.parametrize("soften", [0.0, 0.3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("autocast", [False, True])
def test_logits_of_50_give_a_finite_loss_and_gradient(autocast, dtype, soften):
    logits, onehot = extreme_logits()
    memberships = (1 - soften) * onehot + soften / 4
    logits = logits.to(dtype).requires_grad_()
    loss = FuzzyAuxiliaryLoss()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        value = loss(logits, memberships)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert logits.grad.dtype == dtype
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().max() > 0
    assert loss.raw_rho_1.grad.isfinite()
    assert loss.raw_rho_2.grad.isfinite()


def test_logits_of_50_give_the_right_value():
    """In float64, log(1 - p_c) = log(sum of the other exponentials) - log(sum of all), at most 100 apart."""
    logits, onehot = extreme_logits()
    exponentials = logits.double().exp()
    others = torch.stack([exponentials[:, [k for k in range(4) if k != c]].sum(dim=1) for c in range(4)], dim=1)
    log_rest = others.log() - exponentials.sum(dim=1, keepdim=True).log()
    expected = -((1 - onehot) * log_rest).sum(dim=1)
    _, non_membership = fuzzy_auxiliary_terms(logits, onehot)
    torch.testing.assert_close(non_membership.double(), expected, rtol=1e-6, atol=2e-5)


def test_half_precision_logits_are_computed_in_float32():
    logits, memberships = random_case((2, 4, 9, 7))
    loss, rounded = FuzzyAuxiliaryLoss(), logits.bfloat16()
    expected = loss(rounded.float(), memberships)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(rounded, memberships), expected)
        assert torch.equal(loss(rounded.float(), memberships.bfloat16().float()), loss(rounded, memberships.bfloat16()))
    for with_half, with_float in zip(
        fuzzy_auxiliary_terms(rounded, memberships), fuzzy_auxiliary_terms(rounded.float(), memberships)
    ):
        assert with_half.dtype == torch.float32
        assert torch.equal(with_half, with_float)


def test_logits_and_memberships_stay_as_they_are():
    logits, memberships = random_case((2, 4, 9, 7))
    before = logits.clone(), memberships.clone()
    FuzzyAuxiliaryLoss()(logits.requires_grad_(), memberships).backward()
    assert torch.equal(logits, before[0])
    assert torch.equal(memberships, before[1])
