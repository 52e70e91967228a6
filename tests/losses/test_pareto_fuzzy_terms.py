"""The terms that are logged."""

import pytest
import torch
from pareto_cases import SHAPES, dice, every_case, memberships_of, random_label, random_logits

from shared.losses import FuzzyAuxiliaryLoss, ParetoFuzzyLoss, fuzzy_auxiliary_terms

LOGGED = {
    "total",
    "base",
    "fuzzy",
    "soft_cross_entropy",
    "non_membership",
    "fuzzy_weight",
    "rho_1",
    "rho_2",
    "boundary_share",
}


def halves():
    """Two classes that meet between the 4th and 5th of eight rows: (1, 1, 8, 8, 8)."""
    label = torch.zeros(1, 1, 8, 8, 8, dtype=torch.int64)
    label[:, :, 4:] = 3
    return label


@every_case
def test_terms_add_up_to_the_loss(case):
    logits, label = case
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(0.3, 0.8), fuzzy_weight=0.4)
    terms = loss.terms(logits, label)
    memberships = memberships_of(label)
    soft_cross_entropy, non_membership = fuzzy_auxiliary_terms(logits, memberships)
    flipped = {f"flipped_share_{number}" for number in range(logits.shape[1])}
    assert set(terms) == LOGGED | flipped
    assert torch.equal(terms["total"], loss(logits, label))
    torch.testing.assert_close(terms["base"], dice()(logits, label))
    torch.testing.assert_close(terms["fuzzy"], FuzzyAuxiliaryLoss(0.3, 0.8)(logits, memberships))
    torch.testing.assert_close(terms["total"], terms["base"] + 0.4 * terms["fuzzy"])
    torch.testing.assert_close(terms["soft_cross_entropy"], soft_cross_entropy.mean())
    torch.testing.assert_close(terms["non_membership"], non_membership.mean())
    logged = [terms[name].item() for name in ("fuzzy_weight", "rho_1", "rho_2")]
    assert logged == pytest.approx([0.4, 0.3, 0.8])


@every_case
def test_terms_at_weight_0_are_still_there(case):
    logits, label = case
    terms = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), fuzzy_weight=0.0).terms(logits, label)
    assert set(terms) >= LOGGED
    assert terms["fuzzy_weight"] == 0
    assert torch.equal(terms["total"], dice()(logits, label))
    torch.testing.assert_close(terms["fuzzy"], FuzzyAuxiliaryLoss()(logits, memberships_of(label)))


def test_terms_carry_the_gradient_of_the_total():
    logits, label = random_logits(SHAPES[0]), random_label(SHAPES[0])
    loss, gradients = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), 0.7), []
    for value_of in (loss, lambda *pair: loss.terms(*pair)["total"]):
        at = logits.clone().requires_grad_()
        value_of(at, label).backward()
        gradients.append(at.grad)
    assert torch.equal(*gradients)


@every_case
def test_logged_non_membership_does_not_hide_a_small_rho_2(case):
    """The fuzzy loss falls when rho_2 falls; the term that is logged must not."""
    logits, label = case
    high, low = (ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(0.5, rho_2)).terms(logits, label) for rho_2 in (0.9, 1e-3))
    assert low["fuzzy"] < high["fuzzy"] - 1
    assert torch.equal(low["non_membership"], high["non_membership"])


def test_logged_flipped_shares_are_those_of_the_target():
    """A single voxel of class 1 loses its label; class 0 keeps all of its voxels; class 2 has none."""
    label = torch.zeros(1, 1, 7, 7)
    label[0, 0, 3, 3] = 1
    terms = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss()).terms(torch.zeros(1, 3, 7, 7), label)
    assert terms["flipped_share_0"] == 0
    assert terms["flipped_share_1"] == 1
    assert terms["flipped_share_2"].isnan()


@pytest.mark.parametrize(("radius", "share"), [(1, 2 / 8), (2, 4 / 8)])
def test_boundary_share_of_a_flat_boundary(radius, share):
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), radius=radius)
    assert float(loss.terms(random_logits((1, 1, 8, 8, 8)), halves())["boundary_share"]) == pytest.approx(share)


def test_no_boundary_without_a_second_class():
    logits, label = random_logits((1, 1, 8, 8)), torch.full((1, 1, 8, 8), 2)
    assert ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss()).terms(logits, label)["boundary_share"] == 0
