"""The loss at boundaries and inside, and what "Pareto-Guided Optimization" (arXiv 2601.19365v2, 2026) says of them."""

import pytest
import torch
from fuzzy_cases import CLASSES, FLAT_BOUNDARY, as_onehot, fixed, random_case, seeded, value_and_gradient
from monai.losses import DiceLoss
from torch.nn import functional

from shared.losses import FuzzyAuxiliaryLoss, fuzzy_auxiliary_terms
from shared.transforms import fuzzy_membership


def away_from_boundaries():
    """Logits, the label 2 everywhere, and its memberships, which are one-hot."""
    label = torch.full((2, 1, 7, 6, 5), 2)
    memberships = fuzzy_membership(as_onehot(label[:, 0]))
    assert set(memberships.unique().tolist()) == {0.0, 1.0}
    return random_case()[0], label, memberships


def test_away_from_boundaries_it_is_one_against_the_rest_and_not_dice():
    """Sec. 3.2: "In non-boundary regions [...] the fuzzy loss degenerates to the main loss"."""
    logits, label, memberships = away_from_boundaries()
    p = logits.double().softmax(dim=1)
    expected = -p[:, 2].log() - sum((1 - p[:, other]).log() for other in (0, 1, 3))
    value, gradient = value_and_gradient(fixed(), logits, memberships)
    assert value.item() == pytest.approx(expected.mean().item(), rel=1e-5)
    dice, dice_gradient = value_and_gradient(DiceLoss(softmax=True, to_onehot_y=True), logits, label)
    assert dice < 1 < value
    assert functional.cosine_similarity(gradient.flatten(), dice_gradient.flatten(), dim=0) < 0.9


def test_away_from_boundaries_a_voxel_answers_to_its_own_logits_only():
    """Under Dice every other voxel of the class matters."""
    logits, label, memberships = away_from_boundaries()
    elsewhere = logits.clone()
    elsewhere[:, 2, ..., 1:] = 10
    changes = []
    for loss, target in ((fixed(), memberships), (DiceLoss(softmax=True, to_onehot_y=True), label)):
        _, before = value_and_gradient(loss, logits, target)
        _, after = value_and_gradient(loss, elsewhere, target)
        changes.append((after - before)[..., 0].abs().max() / before[..., 0].abs().max())
    assert changes[0] == 0
    assert changes[1] > 0.1


def test_no_region_is_weighted_by_place_or_uncertainty():
    """The curriculum and the uncertainty map of Fig. 1 are in no term: voxels may be permuted, and all count 1 / N."""
    logits, memberships = random_case(scale=5.0)
    order = torch.randperm(7 * 6 * 5, generator=seeded())
    flat = [tensor.flatten(2) for tensor in (logits, memberships)]
    moved = [tensor[..., order] for tensor in flat]
    for term, moved_term in zip(fuzzy_auxiliary_terms(*flat), fuzzy_auxiliary_terms(*moved)):
        assert torch.equal(moved_term, term[..., order])
    torch.testing.assert_close(FuzzyAuxiliaryLoss()(*moved), FuzzyAuxiliaryLoss()(logits, memberships))
    _, gradient = value_and_gradient(fixed(), *flat)
    for voxel in (0, 17, 209):
        alone = [tensor[:1, :, voxel : voxel + 1] for tensor in flat]
        _, expected = value_and_gradient(fixed(), *alone)
        torch.testing.assert_close(gradient[:1, :, voxel : voxel + 1] * 2 * 210, expected)


@pytest.mark.parametrize("rho_2", [0.0, 0.5, 1.0])
def test_rho_2_shifts_no_weight_between_boundary_and_inside_at_the_start(rho_2):
    """Sec. 3.2: rho_2 "alters the overall weighting of boundary versus non-boundary regions".

    Confirmed: a voxel at a flat boundary pulls less on an untrained network than one inside, 0.63 to 1. But this is
    |p - mu| for any rho_2, and it costs as much: the labels are softer, nothing is scheduled.
    """
    undecided = torch.zeros(1, CLASSES, 1)
    inside, boundary = torch.tensor([1.0, 0, 0, 0]).view(1, -1, 1), torch.tensor([*FLAT_BOUNDARY, 0, 0]).view(1, -1, 1)
    cost_inside, pull_inside = value_and_gradient(fixed(rho_2=rho_2), undecided, inside)
    cost_boundary, pull_boundary = value_and_gradient(fixed(rho_2=rho_2), undecided, boundary)
    torch.testing.assert_close(cost_boundary, cost_inside)
    torch.testing.assert_close(pull_boundary, (0.25 - boundary) * (1 + rho_2 / 3))
    assert (pull_boundary.norm() / pull_inside.norm()).item() == pytest.approx(0.629, abs=1e-3)
