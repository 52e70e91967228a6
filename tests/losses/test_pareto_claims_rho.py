"""What rho_1 and rho_2 do, and what "Pareto-Guided Optimization" (arXiv 2601.19365v2, 2026) says that they do."""

import math

import pytest
import torch
from fuzzy_cases import CLASSES, as_onehot, fixed, lesion_case, random_case, rings, shuffled, value_and_gradient
from monai.losses import DiceLoss
from torch import nn

from shared.losses import FuzzyAuxiliaryLoss, ParetoFuzzyLoss, fuzzy_auxiliary_terms


@pytest.mark.parametrize("scale", [0.1, 2.0, 30.0])
def test_rho_1_does_not_govern_the_sharpness_of_the_response(scale):
    """Sec. 3.2: "p1 controls the penalty strength imposed on the predicted logits". No gradient changes by one bit."""
    logits, memberships = random_case(scale=scale)
    values, gradients = zip(
        *(value_and_gradient(FuzzyAuxiliaryLoss(rho_1, 0.7), logits, memberships) for rho_1 in (0.01, 0.5, 0.999))
    )
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])
    # it adds a constant: -rho_2 log(rho_1) times the sum of 1 - mu, which is C - 1
    assert (values[0] - values[2]).item() == pytest.approx(0.7 * 3 * math.log(0.999 / 0.01), rel=1e-4)


def test_rho_1_learns_nothing_from_data_labels_or_network():
    """Eq. 17 has no uncertain regions in it: the sum of 1 - mu over the classes is C - 1 at every voxel."""
    label, _ = rings()
    cases = [random_case(), random_case(scale=30.0)]
    cases += [lesion_case(), lesion_case(50.0), lesion_case(label=shuffled(label))]
    cases.append((torch.zeros(1, CLASSES, 5, 5), as_onehot(torch.zeros(1, 5, 5, dtype=torch.int64)).float()))
    for logits, memberships in cases:
        loss = FuzzyAuxiliaryLoss(0.3, 0.6)
        loss(logits, memberships).backward()
        assert loss.raw_rho_1.grad.item() == pytest.approx(-0.6 * (CLASSES - 1) * (1 - 0.3), rel=1e-5)


@pytest.mark.parametrize("rho_1", [0.05, 0.5, 0.999])
@pytest.mark.parametrize("scale", [0.0, 1.0, 5.0, 50.0])
def test_gradient_of_rho_2_is_never_negative(scale, rho_1):
    """Sec. 7.1 grants that it might stall; it falls for every network and for shuffled labels, so it shows neither."""
    label, _ = rings()
    cases = [random_case(scale=scale, seed=seed) for seed in range(5)]
    cases += [lesion_case(scale), lesion_case(-scale), lesion_case(scale, shuffled(label))]
    for logits, memberships in cases:
        loss = FuzzyAuxiliaryLoss(rho_1, 0.5)
        loss(logits, memberships).backward()
        assert loss.raw_rho_2.grad > 0


def test_gradient_of_rho_2_ends_only_with_a_perfect_fit_to_crisp_labels():
    """It is the non-membership term, which a perfect hard fit leaves positive on boundary voxels."""
    crisp = as_onehot(rings()[0][:, 0]).float()
    logits, memberships = lesion_case(50.0)
    for target, lower, upper in ((crisp, 0, 1e-6), (memberships, 1.0, math.inf)):
        _, non_membership = fuzzy_auxiliary_terms(logits, target)
        assert lower <= non_membership.mean() <= upper


@pytest.mark.parametrize("scale", [0.0, 2.0, 50.0])
def test_rho_balances_nothing(scale):
    """Sec. 3.2, "Pareto": in both parameters the loss is monotone; its infimum is rho_1 = 1, rho_2 = 0, at any fit."""
    logits, memberships = random_case(scale=scale)
    grid = (0.05, 0.3, 0.6, 0.95)
    losses = torch.tensor([[fixed(rho_1, rho_2)(logits, memberships) for rho_2 in grid] for rho_1 in grid])
    assert (losses.diff(dim=0) < 0).all()
    assert (losses.diff(dim=1) > 0).all()
    assert fixed(1.0, 0.0)(logits, memberships) < losses.min()


@pytest.mark.parametrize("rho_1", [0.01, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(2, 4, 9, 7), (2, 4, 7, 6, 5)], ids=["2d", "3d"])
def test_fuzzy_loss_does_not_fade_out_with_rho_2(shape, rho_1):
    """Sec. 7.2: "before fading out to let the main Dice loss dominate". What is left is the soft cross-entropy."""
    logits, memberships = random_case(shape)
    left = value_and_gradient(fixed(rho_1, 0.0), logits, memberships)
    soft_cross_entropy = value_and_gradient(nn.CrossEntropyLoss(), logits, memberships)
    torch.testing.assert_close(left, soft_cross_entropy)
    assert left[0] > 1


def test_only_the_weight_of_eq_9_removes_the_fuzzy_loss():
    label, image = rings()
    logits = torch.cat([image] * CLASSES, dim=1) * torch.linspace(-1, 1, CLASSES).view(1, -1, 1, 1)
    dice = DiceLoss(softmax=True, to_onehot_y=True)
    alone = value_and_gradient(dice, logits, label)[1]
    annealed = value_and_gradient(ParetoFuzzyLoss(dice, fixed(1.0, 0.0), 1.0), logits, label)[1]
    weightless = value_and_gradient(ParetoFuzzyLoss(dice, fixed(1.0, 1.0), 0.0), logits, label)[1]
    assert torch.equal(weightless, alone)
    assert (annealed - alone).norm() > alone.norm()


@pytest.mark.parametrize("rho_2", [0.1, 0.7, 1.0])
def test_for_two_classes_rho_2_is_a_learning_rate(rho_2):
    """The second term is rho_2 times the first, so no trust moves from soft to hard boundaries."""
    logits, memberships = random_case((2, 2, 7, 6, 5))
    value, gradient = value_and_gradient(nn.CrossEntropyLoss(), logits, memberships)
    torch.testing.assert_close(value_and_gradient(fixed(0.4, rho_2), logits, memberships)[1], (1 + rho_2) * gradient)
    torch.testing.assert_close(fixed(1.0, rho_2)(logits, memberships), (1 + rho_2) * value)
    torch.testing.assert_close(*fuzzy_auxiliary_terms(logits, memberships))
