"""The fuzzy auxiliary loss is Eq. 6."""

import math

import pytest
import torch
from fuzzy_cases import SETTINGS, SHAPES, probabilities_of, random_case, random_onehot
from torch.nn import functional

from shared.losses import FuzzyAuxiliaryLoss, fuzzy_auxiliary_terms


def eq_6(logits, memberships, rho_1, rho_2):
    """Eq. 6 as printed, with its minus sign, over (B, *spatial)."""
    p, mu = probabilities_of(logits), memberships.double()
    return -(mu * p.log() + rho_2 * (1 - mu) * (rho_1 * (1 - p)).log()).sum(dim=1)


@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
def test_terms_are_the_two_sums_of_eq_6_at_rho_1(shape):
    logits, memberships = random_case(shape)
    soft_cross_entropy, non_membership = fuzzy_auxiliary_terms(logits, memberships)
    first = eq_6(logits, memberships, rho_1=1, rho_2=0)
    second = eq_6(logits, memberships, rho_1=1, rho_2=1) - first
    assert soft_cross_entropy.shape == non_membership.shape == (shape[0], *shape[2:])
    torch.testing.assert_close(soft_cross_entropy.double(), first, rtol=1e-6, atol=2e-6)
    torch.testing.assert_close(non_membership.double(), second, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("learnable", [True, False])
@pytest.mark.parametrize(("rho_1", "rho_2"), SETTINGS)
@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
def test_loss_is_the_mean_of_eq_6_over_voxels_and_batch(shape, rho_1, rho_2, learnable):
    logits, memberships = random_case(shape)
    loss = FuzzyAuxiliaryLoss(rho_1, rho_2, learnable)(logits, memberships)
    assert loss.shape == ()
    torch.testing.assert_close(loss.double(), eq_6(logits, memberships, rho_1, rho_2).mean(), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("memberships", [[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.3, 0.2, 0]])
def test_an_untrained_network_starts_at_2_86_whatever_the_memberships(memberships):
    """p = 1/4: log 4 = 1.386 plus 0.5 * 3 * -log(0.5 * 0.75) = 1.471, whatever the memberships."""
    memberships = torch.tensor(memberships).view(1, 4, 1, 1).expand(2, 4, 3, 5)
    loss = FuzzyAuxiliaryLoss()(torch.zeros(2, 4, 3, 5), memberships)
    assert loss.item() == pytest.approx(2.8575, abs=1e-4)


@pytest.mark.parametrize(("logit", "expected"), [(20.0, 20 - math.log(3)), (100.0, 100 - math.log(3))])
def test_a_certain_error_costs_its_logit_and_not_infinity(logit, expected):
    """log(1 - p_0) at z = (20, 0, 0, 0) is log 3 - 20 = -18.9, where log(1 - softmax) gives -inf."""
    logits = torch.tensor([logit, 0.0, 0.0, 0.0]).view(1, 4, 1)
    truth = torch.tensor([0.0, 1.0, 0.0, 0.0]).view(1, 4, 1)
    soft_cross_entropy, non_membership = fuzzy_auxiliary_terms(logits, truth)
    assert (1 - logits.softmax(dim=1)).log().min() == -math.inf
    assert non_membership.item() == pytest.approx(expected, abs=1e-4)
    assert soft_cross_entropy.item() == pytest.approx(logit, abs=1e-5)


def test_non_membership_at_every_degree_of_certainty():
    """-log(1 - p_0) at z = (a, 0, 0, 0) is log(exp(a) + 3) - log 3, from hardly any to 80."""
    a = torch.linspace(-10, 80, 901)
    logits = torch.stack([a, *[torch.zeros_like(a)] * 3], dim=0).unsqueeze(0)
    truth = torch.tensor([0.0, 1.0, 0.0, 0.0]).view(1, 4, 1).expand_as(logits)
    of_others = 2 * ((a.double().exp() + 3).log() - (a.double().exp() + 2).log())
    expected = (a.double().exp() + 3).log() - math.log(3) + of_others
    _, non_membership = fuzzy_auxiliary_terms(logits, truth)
    torch.testing.assert_close(non_membership[0].double(), expected, rtol=1e-6, atol=3e-7)


def test_one_hot_memberships_at_rho_1_are_one_against_the_rest():
    logits, _ = random_case((2, 4, 9, 7))
    onehot = random_onehot((2, 4, 9, 7)).float()
    binary = functional.binary_cross_entropy(probabilities_of(logits), onehot.double(), reduction="none").sum(dim=1)
    fixed = FuzzyAuxiliaryLoss(1.0, 1.0, learnable=False)
    torch.testing.assert_close(sum(fuzzy_auxiliary_terms(logits, onehot)).double(), binary, rtol=1e-6, atol=2e-6)
    torch.testing.assert_close(fixed(logits, onehot).double(), binary.mean(), rtol=1e-6, atol=2e-6)


def test_fixed_rho_of_1_drops_out():
    """`Ours w/o rho`: both terms with weight one, nothing to learn, and training does not move them."""
    logits, memberships = random_case((2, 4, 9, 7))
    loss = FuzzyAuxiliaryLoss(1.0, 1.0, learnable=False)
    expected = sum(fuzzy_auxiliary_terms(logits, memberships)).mean()
    assert list(loss.parameters()) == []
    assert loss.rho_1 == loss.rho_2 == 1
    loss.train()(logits.requires_grad_(), memberships).backward()
    torch.testing.assert_close(loss(logits, memberships), expected)
    torch.testing.assert_close(expected.double(), eq_6(logits, memberships, 1, 1).mean())


def test_adding_a_constant_to_the_logits_of_a_voxel_changes_nothing():
    logits, memberships = random_case((2, 4, 9, 7))
    shifted = logits + 30 * torch.randn(2, 1, 9, 7, generator=torch.Generator().manual_seed(3))
    loss = FuzzyAuxiliaryLoss()
    torch.testing.assert_close(loss(shifted, memberships), loss(logits, memberships))


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 2, 4, 5), (2, 3, 4, 5)])
def test_refuses_memberships_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"shapes differ: logits .* memberships \(1, 3, 4, 5\)"):
        FuzzyAuxiliaryLoss()(torch.zeros(shape), torch.full((1, 3, 4, 5), 1 / 3))


def test_refuses_a_single_class():
    with pytest.raises(ValueError, match=r"at least two classes .*shape \(1, 1, 4, 5\)"):
        FuzzyAuxiliaryLoss()(torch.zeros(1, 1, 4, 5), torch.ones(1, 1, 4, 5))
