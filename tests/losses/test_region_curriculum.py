import pytest
import torch
from monai.losses import DiceCELoss
from torch.nn import functional

from shared.errors import InputError
from shared.losses import (
    FuzzyAuxiliaryLoss,
    ParetoFuzzyLoss,
    RegionCurriculum,
    VoxelWeightedDiceCELoss,
    fuzzy_auxiliary_terms,
    region_curriculum_weights,
)
from shared.transforms import fuzzy_membership, keep_argmax

CLASSES = 4


def as_onehot(label):
    return functional.one_hot(label[:, 0], CLASSES).movedim(-1, 1)


def pareto(curriculum, fuzzy_weight=0.7):
    base = DiceCELoss(to_onehot_y=True, softmax=True) if curriculum is None else VoxelWeightedDiceCELoss()
    return ParetoFuzzyLoss(base, FuzzyAuxiliaryLoss(), fuzzy_weight, curriculum=curriculum)


@pytest.fixture
def case():
    """Logits, and a label of a cube within a cube."""
    label = torch.zeros(2, 1, 9, 8, 7, dtype=torch.int64)
    label[..., 2:8, 2:7, 2:6], label[..., 4:6, 4:6, 3:5] = 2, 3
    logits = 2 * torch.randn(2, CLASSES, 9, 8, 7, generator=torch.Generator().manual_seed(1))
    return logits, label


def halves():
    """Two classes that meet between the 4th and 5th of eight rows."""
    label = torch.zeros(1, 1, 8, 8, 8, dtype=torch.int64)
    label[:, :, 4:] = 3
    return label


@pytest.mark.parametrize(
    ("admitted", "expected"), [(0.0, [1, 0.5, 0, 0]), (0.25, [1, 1, 0.5, 0]), (0.75, [1, 1, 1, 0.5]), (1.0, [1] * 4)]
)
def test_weights_by_hand(admitted, expected):
    """w = (a - u) / 0.5 + 1, between 0 and 1."""
    weights = region_curriculum_weights(torch.tensor([0, 0.25, 0.5, 1]), admitted, width=0.5)
    assert weights.tolist() == expected


@pytest.mark.parametrize("width", [1e-3, 0.3, 1.0, 10.0])
def test_in_the_end_all_weights_are_exactly_1(width):
    uncertainty = torch.cat([torch.rand(10000, generator=torch.Generator().manual_seed(0)), torch.tensor([0.0, 1.0])])
    assert (region_curriculum_weights(uncertainty, torch.tensor(1.0), width) == 1).all()


def test_interior_first_and_nothing_is_taken_back():
    uncertainty = torch.linspace(0, 1, 101)
    weights = torch.stack([region_curriculum_weights(uncertainty, a, 0.4) for a in torch.linspace(0, 1, 51)])
    assert (weights[:, 0] == 1).all()
    assert (weights.diff(dim=0) >= 0).all()
    assert (weights.diff(dim=1) <= 0).all()


def test_uncertainty_of_the_label_by_hand():
    """At a flat boundary 9 of 26 neighbours are of the other class; inside none is."""
    label = halves()
    onehot = as_onehot(label)
    curriculum = RegionCurriculum("label", width=0.5)
    weights = curriculum(torch.randn(1, CLASSES, 8, 8, 8), onehot, fuzzy_membership(onehot))
    assert weights.shape == label.shape
    inner = weights[0, 0, :, 1:-1, 1:-1]
    torch.testing.assert_close(inner[3:5], torch.full_like(inner[3:5], 1 - 9 / 26 / 0.5))
    assert (inner[[0, 1, 2, 5, 6, 7]] == 1).all()


def test_uncertainty_of_the_prediction_by_hand_and_without_gradient():
    """Probabilities 0.7, 0.1, 0.1, 0.1: uncertainty 0.3, beyond 0.2 by 0.1 of a width of 0.6."""
    logits = torch.tensor([0.7, 0.1, 0.1, 0.1]).log().view(1, 4, 1, 1).expand(1, 4, 2, 2).requires_grad_()
    curriculum = RegionCurriculum("prediction", width=0.6, admitted_uncertainty=0.2)
    weights = curriculum(logits, torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2))
    torch.testing.assert_close(weights, torch.full((1, 1, 2, 2), 1 - 0.1 / 0.6))
    assert not weights.requires_grad


def test_thin_structures_come_in_earlier_with_keep_argmax():
    label = torch.zeros(1, 1, 7, 7, 7, dtype=torch.int64)
    label[:, :, 3] = 3
    onehot = as_onehot(label)
    published = fuzzy_membership(onehot)
    curriculum = RegionCurriculum("label", width=0.5, admitted_uncertainty=0.1)
    sheet = [curriculum(onehot.float(), onehot, m)[0, 0, 3, 3, 3] for m in (published, keep_argmax(onehot, published))]
    assert sheet[0] == 0
    assert sheet[1] > 0.19


@pytest.mark.parametrize("source", ["label", "prediction"])
def test_all_admitted_is_the_loss_without_a_curriculum(case, source):
    curriculum = RegionCurriculum(source, width=0.3, admitted_uncertainty=1.0)
    torch.testing.assert_close(pareto(curriculum)(*case), pareto(None)(*case))


def test_without_a_curriculum_the_loss_is_the_sum_bit_for_bit(case):
    logits, label = case
    fuzzy_terms = [term.mean() for term in fuzzy_auxiliary_terms(logits, fuzzy_membership(as_onehot(label)))]
    loss = pareto(None)
    rho_1, rho_2 = loss.fuzzy_loss.rho_1, loss.fuzzy_loss.rho_2
    fuzzy = fuzzy_terms[0] + rho_2 * (fuzzy_terms[1] - (CLASSES - 1) * rho_1.log())
    expected = DiceCELoss(to_onehot_y=True, softmax=True)(logits, label) + loss.fuzzy_weight * fuzzy
    assert torch.equal(loss(logits, label), expected)
    assert torch.equal(loss.terms(logits, label)["total"], expected)


@pytest.mark.parametrize("fuzzy_weight", [0.0, 0.7])
def test_weighted_terms_restated(case, fuzzy_weight):
    logits, label = case
    onehot = as_onehot(label)
    memberships = fuzzy_membership(onehot)
    own = memberships.gather(1, label)[:, 0]
    w = ((0.2 - (1 - own)) / 0.4 + 1).clip(0, 1)
    p = logits.softmax(1)

    def mean(values):
        return (w * values).sum() / w.sum()

    overlap, volumes = 2 * (w[:, None] * p * onehot).sum((2, 3, 4)), (w[:, None] * (p + onehot)).sum((2, 3, 4))
    soft_cross_entropy = -(memberships * p.log()).sum(1)
    rest = -((1 - memberships) * (0.5 * (1 - p)).log()).sum(1)
    expected = 1 - ((overlap + 1e-5) / (volumes + 1e-5)).mean() - mean(p.log().gather(1, label)[:, 0])
    expected = expected + fuzzy_weight * (mean(soft_cross_entropy) + 0.5 * mean(rest))
    loss = pareto(RegionCurriculum("label", width=0.4, admitted_uncertainty=0.2), fuzzy_weight)
    torch.testing.assert_close(loss(logits, label), expected)
    terms = loss.terms(logits, {"label": label, "memberships": memberships})
    torch.testing.assert_close(terms["total"], expected)
    torch.testing.assert_close(terms["voxel_weight"], w.mean())
    assert terms["admitted_uncertainty"].item() == pytest.approx(0.2)


def test_what_is_not_admitted_has_no_gradient_and_the_interior_has():
    label = halves()
    logits = torch.randn(1, CLASSES, 8, 8, 8, requires_grad=True)
    loss = pareto(RegionCurriculum("label", width=0.2))
    loss(logits, label).backward()
    pulled = logits.grad.abs().sum(1)[0].amax((1, 2)) > 0
    assert pulled.tolist() == [True, True, True, False, False, True, True, True]
    loss.curriculum.set_admitted_uncertainty(1.0)
    logits.grad = None
    loss(logits, label).backward()
    assert (logits.grad.abs().sum(1) > 0).all()


def test_admitted_uncertainty_travels_with_the_state():
    loss, other = pareto(RegionCurriculum()), pareto(RegionCurriculum())
    loss.curriculum.set_admitted_uncertainty(0.25)
    other.load_state_dict(loss.state_dict())
    assert other.curriculum.admitted_uncertainty == 0.25


def test_a_beginning_at_which_an_unsure_network_learns_nothing_is_refused(case):
    curriculum = RegionCurriculum("prediction", width=0.5, admitted_uncertainty=0.25)
    with pytest.raises(InputError, match=r"an untrained network is 0.75 uncertain .* begin above 0.25"):
        pareto(curriculum)(*case)
    curriculum.set_admitted_uncertainty(0.26)
    logits = torch.zeros_like(case[0]).requires_grad_()
    pareto(curriculum)(logits, case[1]).backward()
    assert (logits.grad != 0).any()


def test_refuses_wrong_settings():
    with pytest.raises(InputError, match="source 'boundary' is unknown; choose label or prediction"):
        RegionCurriculum("boundary")
    with pytest.raises(InputError, match="width must be above 0, got 0"):
        RegionCurriculum(width=0)
    with pytest.raises(ValueError, match=r"admitted_uncertainty must be in \[0, 1\], got 1.5"):
        RegionCurriculum(admitted_uncertainty=1.5)
