"""What the paper says that its loss does, and what the loss does.

The paper is "Pareto-Guided Optimization for Uncertainty-Aware Medical Image Segmentation", arXiv 2601.19365v2, 2026.
Every test names the sentence or the section that it confirms or refutes.
"""

import math

import pytest
import torch
from monai.losses import DiceLoss
from torch import nn
from torch.nn import functional

from shared.losses import FuzzyAuxiliaryLoss, ParetoFuzzyLoss, fuzzy_auxiliary_terms
from shared.transforms import fuzzy_membership

CLASSES = 4
FLAT_BOUNDARY = (17 / 26, 9 / 26)  # memberships on both sides of a flat boundary in 3D


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def as_onehot(label, classes=CLASSES):
    return functional.one_hot(label, classes).movedim(-1, 1)


def rings(size=24):
    """A lesion of nested discs around the centre, with an intensity image that shows it: both (1, 1, 24, 24)."""
    axis = torch.arange(size) - (size - 1) / 2
    distance = (axis[:, None].square() + axis.square()).sqrt()
    label = torch.where(distance < 3, 1, torch.where(distance < 6, 3, torch.where(distance < 9, 2, 0)))[None, None]
    return label, label + 0.3 * torch.randn(label.shape, generator=seeded())


def shuffled(label):
    return label.flatten()[torch.randperm(label.numel(), generator=seeded())].view_as(label)


def random_case(scale=2.0, seed=0, classes=CLASSES, shape=(7, 6, 5)):
    """Logits and memberships of a random label."""
    label = torch.randint(0, classes, (2, *shape), generator=seeded(seed))
    logits = scale * torch.randn(2, classes, *shape, generator=seeded(seed))
    return logits, fuzzy_membership(as_onehot(label, classes))


def lesion_case(scale=1.0, label=None):
    """Logits that follow the lesion (the more, the larger the scale) and its memberships."""
    label = rings()[0] if label is None else label
    return scale * as_onehot(rings()[0][:, 0]).float(), fuzzy_membership(as_onehot(label[:, 0]))


def fixed(rho_1=1.0, rho_2=1.0):
    return FuzzyAuxiliaryLoss(rho_1, rho_2, learnable=False)


def value_and_gradient(loss, logits, target):
    at = logits.clone().requires_grad_()
    value = loss(at, target)
    value.backward()
    return value.detach(), at.grad


def single_voxel(*numbers):
    return torch.tensor(numbers, dtype=torch.float64).view(1, -1, 1)


def curvature(memberships, logits, rho_2):
    """Eigenvalues of the Hessian with respect to the logits of one voxel, ascending."""
    hessian = torch.autograd.functional.hessian(
        lambda z: fixed(rho_2=rho_2)(z.view(1, -1, 1), memberships), logits.flatten()
    )
    return torch.linalg.eigvalsh(hessian)


def eq_11(p, mu, rho_2, rho_1=1.0):
    """One pixel and one class, as Section 6 has it: p is free, not a softmax."""
    return -mu * p.log() - rho_2 * (1 - mu) * (rho_1 * (1 - p)).log()


# rho_1


@pytest.mark.parametrize("scale", [0.1, 2.0, 30.0])
def test_rho_1_does_not_govern_the_sharpness_of_the_response(scale):
    """Sec. 3.2: "p1 controls the penalty strength imposed on the predicted logits". No gradient changes by one bit."""
    logits, memberships = random_case(scale)
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
    cases = [random_case(), random_case(30.0), lesion_case(), lesion_case(50.0), lesion_case(label=shuffled(label))]
    cases.append((torch.zeros(1, CLASSES, 5, 5), as_onehot(torch.zeros(1, 5, 5, dtype=torch.int64)).float()))
    for logits, memberships in cases:
        loss = FuzzyAuxiliaryLoss(0.3, 0.6)
        loss(logits, memberships).backward()
        assert loss.raw_rho_1.grad.item() == pytest.approx(-0.6 * (CLASSES - 1) * (1 - 0.3), rel=1e-5)


# rho_2


@pytest.mark.parametrize("rho_1", [0.05, 0.5, 0.999])
@pytest.mark.parametrize("scale", [0.0, 1.0, 5.0, 50.0])
def test_gradient_of_rho_2_is_never_negative(scale, rho_1):
    """Sec. 7.1 grants that it might stall; it falls for every network and for shuffled labels, so it shows neither."""
    label, _ = rings()
    cases = [random_case(scale, seed) for seed in range(5)]
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
    logits, memberships = random_case(scale)
    grid = (0.05, 0.3, 0.6, 0.95)
    losses = torch.tensor([[fixed(rho_1, rho_2)(logits, memberships) for rho_2 in grid] for rho_1 in grid])
    assert (losses.diff(dim=0) < 0).all()
    assert (losses.diff(dim=1) > 0).all()
    assert fixed(1.0, 0.0)(logits, memberships) < losses.min()


@pytest.mark.parametrize("rho_1", [0.01, 0.5, 1.0])
def test_fuzzy_loss_does_not_fade_out_with_rho_2(rho_1):
    """Sec. 7.2: "before fading out to let the main Dice loss dominate". What is left is the soft cross-entropy."""
    logits, memberships = random_case()
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
    logits, memberships = random_case(classes=2)
    _, gradient = value_and_gradient(fixed(0.4, rho_2), logits, memberships)
    _, soft_cross_entropy = value_and_gradient(nn.CrossEntropyLoss(), logits, memberships)
    torch.testing.assert_close(gradient, (1 + rho_2) * soft_cross_entropy)
    torch.testing.assert_close(*fuzzy_auxiliary_terms(logits, memberships))


# the optimum


@pytest.mark.parametrize("rho_2", [0.0, 0.3, 1.0])
def test_under_softmax_p_equal_to_mu_is_stationary_for_every_rho_2(rho_2):
    """Sec. 6.4 is right where p is a softmax: rho_2 does not move the target, not even for more than two classes."""
    mu = torch.randn(1, CLASSES, 6, 5, generator=seeded(), dtype=torch.float64).softmax(dim=1)
    value, gradient = value_and_gradient(fixed(rho_2=rho_2), mu.log(), mu)
    assert gradient.abs().max() < 1e-9
    for seed in range(5):
        elsewhere = mu.log() + 0.1 * torch.randn(mu.shape, generator=seeded(seed), dtype=torch.float64)
        moved, slope = value_and_gradient(fixed(rho_2=rho_2), elsewhere, mu)
        assert moved > value + 1e-4
        assert slope.abs().max() > 1e-4


@pytest.mark.parametrize(
    ("mu", "rho_2", "minimiser"), [(0.1, 0.5, 0.1818), (0.1, 1.0, 0.1), (0.5, 0.1, 0.9091), (0.1, 0.001, 0.9911)]
)
def test_in_one_dimension_p_equal_to_mu_is_no_minimiser(mu, rho_2, minimiser):
    """Sec. 6.4 as stated: p* = mu / (mu + rho_2 (1 - mu)), which goes to 1 when rho_2 goes to 0."""
    assert mu / (mu + rho_2 * (1 - mu)) == pytest.approx(minimiser, abs=1e-4)
    p = torch.linspace(1e-4, 1 - 1e-4, 9999, dtype=torch.float64)
    assert p[eq_11(p, mu, rho_2).argmin()].item() == pytest.approx(minimiser, abs=1e-4)
    at_mu = torch.tensor(mu, dtype=torch.float64, requires_grad=True)
    eq_11(at_mu, mu, rho_2).backward()
    assert at_mu.grad.item() == pytest.approx(rho_2 - 1, abs=1e-9)  # zero for rho_2 = 1 only


# curvature


def test_curvature_of_cross_entropy_in_the_logits_does_not_depend_on_the_label():
    """Sec. 6.5 compares curvatures in p; in the logits the Hessian is diag(p) - p p^T for hard and soft labels."""
    logits = single_voxel(0.3, -1.2, 2.0, 0.5)
    p = logits.flatten().softmax(dim=0)
    expected = torch.linalg.eigvalsh(torch.diag(p) - torch.outer(p, p))
    for memberships in (single_voxel(1, 0, 0, 0), single_voxel(0, 0, 1, 0), single_voxel(0.1, 0.2, 0.3, 0.4)):
        torch.testing.assert_close(curvature(memberships, logits, rho_2=0.0), expected)


@pytest.mark.parametrize(("rho_2", "largest"), [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5)])
def test_second_term_raises_the_largest_curvature(rho_2, largest):
    """Torn between classes 0 and 1 where class 2 is right: 1/2 from either term, times 1 + 2 rho_2."""
    eigenvalues = curvature(single_voxel(0, 0, 1, 0), single_voxel(0, 0, -30, -30), rho_2)
    assert eigenvalues[-1].item() == pytest.approx(largest, abs=1e-6)


@pytest.mark.parametrize(("rho_2", "smallest"), [(0.0, 0.0), (0.5, -0.25), (1.0, -0.5)])
def test_second_term_costs_the_convexity_of_cross_entropy(rho_2, smallest):
    """Sec. 6.6: "preserves per-pixel convexity". In p; in the logits a voxel that is certain and wrong curves down."""
    eigenvalues = curvature(single_voxel(0, 1, 0, 0), single_voxel(40, 0, 0, -40), rho_2)
    assert eigenvalues[0].item() == pytest.approx(smallest, abs=1e-6)


@pytest.mark.parametrize(("rho_2", "largest"), [(0.0, 0.4527), (1.0, 0.9053)])
def test_soft_optimum_is_not_flatter_than_the_hard_one(rho_2, largest):
    """Sec. 6.6: hard labels end on a plain, the memberships of a flat boundary in a valley."""
    mu = single_voxel(*FLAT_BOUNDARY, 0, 0)
    assert curvature(mu, mu.clamp(min=1e-30).log(), rho_2)[-1].item() == pytest.approx(largest, abs=1e-4)
    assert curvature(single_voxel(1, 0, 0, 0), single_voxel(20, 0, 0, 0), rho_2)[-1] < 1e-6


@pytest.mark.parametrize("rho_2", [0.1, 0.5, 1.0])
def test_curvature_in_p_is_bounded_at_the_soft_optimum(rho_2):
    """Sec. 6.4, confirmed: 1 / mu + rho_2 / (1 - mu) at p = mu. But hard labels have 1 at p = 1, which is less."""
    mu = FLAT_BOUNDARY[0]

    def curvature_in_p(p, target):
        at = torch.tensor(p, dtype=torch.float64)
        return torch.autograd.functional.hessian(lambda q: eq_11(q, target, rho_2), at).item()

    assert curvature_in_p(mu, mu) == pytest.approx(1 / mu + rho_2 / (1 - mu))
    assert curvature_in_p(1e-3, 1.0) == pytest.approx(1e6)
    assert curvature_in_p(1 - 1e-9, 1.0) == pytest.approx(1)
    assert curvature_in_p(mu, mu) > 1.5


# Figure 4


def trajectories(label, image, learning_rate, scale=1.0, steps=150):
    """Train a small network and rho with Adam; return rho_1 and rho_2 over the steps and the accuracy reached."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, CLASSES, 1))
    loss, memberships = FuzzyAuxiliaryLoss(), fuzzy_membership(as_onehot(label[:, 0]))
    optimizer = torch.optim.Adam([*network.parameters(), *loss.parameters()], lr=learning_rate)
    rho = []
    for _ in range(steps):
        optimizer.zero_grad()
        (scale * loss(network(image), memberships)).backward()
        optimizer.step()
        rho.append([loss.rho_1.item(), loss.rho_2.item()])
    accuracy = (network(image).argmax(dim=1) == label[:, 0]).float().mean().item()
    return torch.tensor(rho).T, accuracy


def test_figure_4_is_reproduced_by_noise_labels():
    """Sec. 7 reads rho_1 to 1 and rho_2 to 0 as a curriculum. A network that can learn nothing draws the same curves.

    So does one whose fuzzy loss is a thousand times smaller: they show the optimiser's step, not the data.
    """
    label, image = rings()
    rho, accuracy = trajectories(label, image, learning_rate=0.01)
    noise_rho, noise_accuracy = trajectories(shuffled(label), image, learning_rate=0.01)
    small_rho, _ = trajectories(label, image, learning_rate=0.01, scale=1e-3)
    background = (label == 0).float().mean().item()
    assert noise_accuracy == pytest.approx(background, abs=0.02)
    assert accuracy > background + 0.25
    assert (rho - noise_rho).abs().max() < 0.02
    assert (rho - small_rho).abs().max() < 0.001
    assert (rho[0].diff() > 0).all()
    assert (rho[1].diff() < 0).all()
    assert (rho[0, -1].item(), rho[1, -1].item()) == pytest.approx((0.75, 0.24), abs=0.01)
    # Sec. 7.2: "The decay of p2 is naturally slower than the rise of p1"
    assert -rho[1].logit()[-1] > rho[0].logit()[-1]


def test_rho_moves_by_the_learning_rate_in_every_step():
    label, image = rings()
    for learning_rate in (1e-3, 3e-3):
        rho, _ = trajectories(label, image, learning_rate, steps=50)
        torch.testing.assert_close(
            rho[:, -1].logit(), 50 * learning_rate * torch.tensor([1.0, -1.0]), rtol=0.05, atol=0
        )


# regions


def test_away_from_boundaries_it_is_one_against_the_rest_and_not_dice():
    """Sec. 3.2: "In non-boundary regions [...] the fuzzy loss degenerates to the main loss"."""
    logits, _ = random_case()
    label = torch.full((2, 1, 7, 6, 5), 2)
    memberships = fuzzy_membership(as_onehot(label[:, 0]))
    assert set(memberships.unique().tolist()) == {0.0, 1.0}
    p = logits.double().softmax(dim=1)
    expected = -p[:, 2].log() - sum((1 - p[:, other]).log() for other in (0, 1, 3))
    value, gradient = value_and_gradient(fixed(), logits, memberships)
    assert value.item() == pytest.approx(expected.mean().item(), rel=1e-5)
    dice, dice_gradient = value_and_gradient(DiceLoss(softmax=True, to_onehot_y=True), logits, label)
    assert dice < 1 < value
    assert functional.cosine_similarity(gradient.flatten(), dice_gradient.flatten(), dim=0) < 0.9
    # a voxel answers to its own logits only; under Dice every other voxel of the class matters
    elsewhere = logits.clone()
    elsewhere[:, 2, ..., 1:] = 10
    _, after = value_and_gradient(fixed(), elsewhere, memberships)
    _, dice_after = value_and_gradient(DiceLoss(softmax=True, to_onehot_y=True), elsewhere, label)
    assert torch.equal(after[..., 0], gradient[..., 0])
    assert (dice_after - dice_gradient)[..., 0].abs().max() > 0.1 * dice_gradient[..., 0].abs().max()


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
