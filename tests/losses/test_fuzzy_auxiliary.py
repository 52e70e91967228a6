import io
import itertools
import math

import pytest
import torch
from torch.nn import functional

from shared.losses import FuzzyAuxiliaryLoss, fuzzy_auxiliary_terms
from shared.transforms import fuzzy_membership

SHAPES = [(2, 4, 9, 7), (2, 3, 5, 6, 4)]
SETTINGS = list(itertools.product([0.1, 0.5, 0.999], [0.001, 0.3, 0.5, 0.95]))


def random_onehot(shape, seed=0):
    batch, classes, *spatial = shape
    label = torch.randint(0, classes, (batch, *spatial), generator=torch.Generator().manual_seed(seed))
    return functional.one_hot(label, classes).movedim(-1, 1)


def random_case(shape, scale=2.0, seed=0):
    logits = scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return logits, fuzzy_membership(random_onehot(shape, seed))


def probabilities_of(logits):
    """Softmax in float64, written out."""
    exponentials = logits.double().exp()
    return exponentials / exponentials.sum(dim=1, keepdim=True)


def eq_6(logits, memberships, rho_1, rho_2):
    """Eq. 6 as printed, with its minus sign, over (B, *spatial)."""
    p, mu = probabilities_of(logits), memberships.double()
    return -(mu * p.log() + rho_2 * (1 - mu) * (rho_1 * (1 - p)).log()).sum(dim=1)


def raw(rho):
    return math.log(rho / (1 - rho))


# the value


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
def test_untrained_network_starts_at_2_86(memberships):
    """p = 1/4: log 4 = 1.386 plus 0.5 * 3 * -log(0.5 * 0.75) = 1.471, whatever the memberships."""
    memberships = torch.tensor(memberships).view(1, 4, 1, 1).expand(2, 4, 3, 5)
    loss = FuzzyAuxiliaryLoss()(torch.zeros(2, 4, 3, 5), memberships)
    assert loss.item() == pytest.approx(2.8575, abs=1e-4)


@pytest.mark.parametrize(("logit", "expected"), [(20.0, 20 - math.log(3)), (100.0, 100 - math.log(3))])
def test_non_membership_of_a_certain_error(logit, expected):
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


@pytest.mark.parametrize("rho_1", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
def test_without_rho_2_it_is_the_soft_cross_entropy(shape, rho_1):
    logits, memberships = random_case(shape)
    loss = FuzzyAuxiliaryLoss(rho_1, 0.0, learnable=False)
    torch.testing.assert_close(loss(logits, memberships), functional.cross_entropy(logits, memberships))


@pytest.mark.parametrize("rho_2", [0.2, 0.7, 1.0])
def test_two_classes_give_a_multiple_of_the_soft_cross_entropy(rho_2):
    logits, memberships = random_case((2, 2, 9, 7))
    loss = FuzzyAuxiliaryLoss(1.0, rho_2, learnable=False)
    expected = (1 + rho_2) * functional.cross_entropy(logits, memberships)
    torch.testing.assert_close(loss(logits, memberships), expected)


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


# gradients


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


def test_gradcheck():
    logits, memberships = random_case((1, 3, 2, 2))
    arguments = (logits.double().requires_grad_(), memberships.double())
    assert torch.autograd.gradcheck(FuzzyAuxiliaryLoss(0.3, 0.6).double(), arguments)
    assert torch.autograd.gradcheck(fuzzy_auxiliary_terms, arguments)


def test_rho_1_does_not_touch_the_gradient_of_the_logits():
    logits, memberships = random_case((2, 4, 9, 7))
    gradients = []
    for rho_1 in (0.01, 0.5, 0.999):
        at = logits.clone().requires_grad_()
        FuzzyAuxiliaryLoss(rho_1, 0.7)(at, memberships).backward()
        gradients.append(at.grad)
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])


@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
def test_gradient_of_each_term_is_at_most_1(shape):
    """Also where the network is certain and wrong."""
    logits, memberships = random_case(shape, scale=50.0)
    for term in (0, 1):
        at = logits.clone().requires_grad_()
        fuzzy_auxiliary_terms(at, memberships)[term].sum().backward()
        assert 0.9 < at.grad.abs().max() <= 1 + 1e-5


# numbers that are hard to represent


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


def test_inputs_stay():
    logits, memberships = random_case((2, 4, 9, 7))
    before = logits.clone(), memberships.clone()
    FuzzyAuxiliaryLoss()(logits.requires_grad_(), memberships).backward()
    assert torch.equal(logits, before[0])
    assert torch.equal(memberships, before[1])


# parameters


@pytest.mark.parametrize(("rho_1", "rho_2"), SETTINGS)
def test_learnable_rho_is_the_sigmoid_of_a_raw_parameter(rho_1, rho_2):
    loss = FuzzyAuxiliaryLoss(rho_1, rho_2)
    assert dict(loss.named_parameters()).keys() == loss.state_dict().keys() == {"raw_rho_1", "raw_rho_2"}
    assert loss.raw_rho_1.item() == pytest.approx(raw(rho_1), abs=1e-5)
    assert loss.raw_rho_2.item() == pytest.approx(raw(rho_2), abs=1e-5)
    assert (loss.rho_1.item(), loss.rho_2.item()) == pytest.approx((rho_1, rho_2), rel=1e-5)


def test_default_is_one_half_each():
    assert FuzzyAuxiliaryLoss().raw_rho_1 == FuzzyAuxiliaryLoss().raw_rho_2 == 0


def test_fixed_rho_is_exact_and_travels_with_the_state():
    loss = FuzzyAuxiliaryLoss(0.3, 0.0, learnable=False)
    assert list(loss.parameters()) == []
    assert (loss.rho_1, loss.rho_2) == (torch.tensor(0.3), 0)
    other = FuzzyAuxiliaryLoss(1.0, 1.0, learnable=False)
    other.load_state_dict(loss.state_dict())
    assert (other.rho_1, other.rho_2) == (loss.rho_1, loss.rho_2)


def trained(steps, resume_after=None):
    """Adam on the logits and rho; with `resume_after` everything goes through a checkpoint on the way."""

    def start():
        logits = random_case((2, 4, 6, 5))[0].requires_grad_()
        loss = FuzzyAuxiliaryLoss(0.4, 0.6)
        groups = [{"params": [logits]}, {"params": list(loss.parameters()), "lr": 0.05, "weight_decay": 0}]
        return logits, loss, torch.optim.Adam(groups, lr=0.01, weight_decay=1e-3)

    _, memberships = random_case((2, 4, 6, 5))
    logits, loss, optimizer = start()
    for step in range(steps):
        if step == resume_after:
            file = io.BytesIO()
            states = {"logits": logits.detach(), "loss": loss.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(states, file)
            file.seek(0)
            checkpoint = torch.load(file, weights_only=True)
            logits, loss, optimizer = start()
            logits.data.copy_(checkpoint["logits"])
            loss.load_state_dict(checkpoint["loss"])
            optimizer.load_state_dict(checkpoint["optimizer"])
        optimizer.zero_grad()
        loss(logits, memberships).backward()
        optimizer.step()
    return logits, loss.raw_rho_1, loss.raw_rho_2


def test_resumed_training_is_the_unbroken_one():
    unbroken, resumed = trained(12), trained(12, resume_after=5)
    for one, other in zip(unbroken, resumed):
        assert torch.equal(one, other)
    assert unbroken[1] > raw(0.4) + 0.3
    assert unbroken[2] < raw(0.6) - 0.3


# refusals


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1.2, math.nan])
@pytest.mark.parametrize("name", ["rho_1", "rho_2"])
def test_refuses_a_learnable_rho_that_no_sigmoid_reaches(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be in \(0, 1\) if learnable .*got {value}"):
        FuzzyAuxiliaryLoss(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("rho_1", 0.0), ("rho_1", 1.2), ("rho_2", -0.1), ("rho_2", 2.0)])
def test_refuses_a_fixed_rho_outside_its_range(name, value):
    """log(rho_1) needs rho_1 > 0; rho_2 = 0 is the soft cross-entropy."""
    with pytest.raises(ValueError, match=rf"{name} must be in .* got {value}"):
        FuzzyAuxiliaryLoss(**{name: value}, learnable=False)


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 2, 4, 5), (2, 3, 4, 5)])
def test_refuses_memberships_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"shapes differ: logits .* memberships \(1, 3, 4, 5\)"):
        FuzzyAuxiliaryLoss()(torch.zeros(shape), torch.full((1, 3, 4, 5), 1 / 3))


def test_refuses_a_single_class():
    with pytest.raises(ValueError, match=r"at least two classes .*shape \(1, 1, 4, 5\)"):
        FuzzyAuxiliaryLoss()(torch.zeros(1, 1, 4, 5), torch.ones(1, 1, 4, 5))
