import io

import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss
from torch import nn

from shared.errors import InputError
from shared.losses import FuzzyAuxiliaryLoss, ParetoFuzzyLoss, fuzzy_auxiliary_terms
from shared.transforms import fuzzy_membership, keep_argmax

CLASSES = 4
SHAPES = [(2, 1, 9, 8), (2, 1, 6, 7, 5)]
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


def random_label(shape, seed=0):
    return torch.randint(0, CLASSES, shape, generator=torch.Generator().manual_seed(seed))


def random_logits(shape, seed=1):
    batch, _, *spatial = shape
    return 2 * torch.randn(batch, CLASSES, *spatial, generator=torch.Generator().manual_seed(seed))


def as_onehot(label):
    return nn.functional.one_hot(label[:, 0], CLASSES).movedim(-1, 1)


def memberships_of(label, radius=1):
    return fuzzy_membership(as_onehot(label), radius)


def halves():
    """Two classes that meet between the 4th and 5th of eight rows: (1, 1, 8, 8, 8)."""
    label = torch.zeros(1, 1, 8, 8, 8, dtype=torch.int64)
    label[:, :, 4:] = 3
    return label


def dice():
    return DiceLoss(softmax=True, to_onehot_y=True)


@pytest.fixture(params=SHAPES, ids=["2d", "3d"])
def case(request):
    return random_logits(request.param), random_label(request.param)


class Remember(nn.Module):
    """A base loss that keeps what it is given."""

    def forward(self, logits, target):
        self.logits, self.target = logits, target
        return logits.mean()


# the sum of Eq. 9


@pytest.mark.parametrize("weight", [0.01, 1.0, 2.5])
@pytest.mark.parametrize("base_loss", [dice(), DiceCELoss(softmax=True, to_onehot_y=True)], ids=["dice", "dice_ce"])
def test_is_base_plus_weighted_fuzzy_loss(case, base_loss, weight):
    logits, label = case
    fuzzy_loss = FuzzyAuxiliaryLoss(0.3, 0.8)
    expected = base_loss(logits, label) + weight * fuzzy_loss(logits, memberships_of(label))
    torch.testing.assert_close(ParetoFuzzyLoss(base_loss, fuzzy_loss, weight)(logits, label), expected)


def test_weight_is_one_unless_told():
    logits, label = random_logits(SHAPES[0]), random_label(SHAPES[0])
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss())
    assert torch.equal(loss(logits, label), ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), 1.0)(logits, label))
    assert loss(logits, label) > dice()(logits, label) + 1


@pytest.mark.parametrize("set_later", [False, True])
def test_weight_0_is_the_base_loss_bit_for_bit(case, set_later):
    logits, label = case
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), fuzzy_weight=1.0 if set_later else 0.0)
    loss.set_fuzzy_weight(0.0)
    values, gradients = [], []
    for one in (loss, dice()):
        at = logits.clone().requires_grad_()
        values.append(one(at, label))
        values[-1].backward()
        gradients.append(at.grad)
    assert torch.equal(*values)
    assert torch.equal(*gradients)


def test_weight_0_does_not_look_at_the_memberships():
    logits, label = random_logits(SHAPES[0]).requires_grad_(), random_label(SHAPES[0])
    target = {"label": label, "memberships": torch.full(logits.shape, float("nan"))}
    value = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), fuzzy_weight=0.0)(logits, target)
    value.backward()
    assert torch.equal(value, dice()(logits, label))
    assert logits.grad.isfinite().all()


def test_set_fuzzy_weight_scales_the_fuzzy_part(case):
    logits, label = case
    base, loss = dice()(logits, label), ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss())
    whole = loss(logits, label) - base
    for value in (0.5, 0.01, 3):
        loss.set_fuzzy_weight(value)
        torch.testing.assert_close(loss(logits, label) - base, value * whole, rtol=1e-4, atol=1e-5)


def test_gradient_is_the_sum_of_both_gradients(case):
    """Eq. 10."""
    logits, label = case
    both = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), 0.3)
    gradients = []
    for loss, target in ((dice(), label), (FuzzyAuxiliaryLoss(), memberships_of(label)), (both, label)):
        at = logits.clone().requires_grad_()
        loss(at, target).backward()
        gradients.append(at.grad)
    torch.testing.assert_close(gradients[2], gradients[0] + 0.3 * gradients[1])


# the target


def test_base_loss_sees_the_hard_label(case):
    logits, label = case
    for target in (label, {"label": label, "memberships": memberships_of(label)}):
        base = Remember()
        ParetoFuzzyLoss(base, FuzzyAuxiliaryLoss())(logits, target)
        assert torch.equal(base.target, label)
        assert torch.equal(base.logits, logits)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64, torch.float32])
@pytest.mark.parametrize("radius", [1, 2])
def test_bare_label_of_any_type_gets_its_own_memberships(case, radius, dtype):
    logits, label = case
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), radius=radius)
    given = {"label": label.to(dtype), "memberships": memberships_of(label, radius)}
    assert torch.equal(loss(logits, label.to(dtype)), loss(logits, given))


def test_bare_label_with_keep_argmax(case):
    logits, label = case
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), keep_argmax=True)
    kept = keep_argmax(as_onehot(label), memberships_of(label))
    assert torch.equal(loss(logits, label), loss(logits, {"label": label, "memberships": kept}))
    assert not torch.equal(loss(logits, label), loss(logits, {"label": label, "memberships": memberships_of(label)}))


def test_given_memberships_are_taken_as_they_are():
    """They know the voxels outside the patch; the label does not."""
    shape, patch = (1, 1, 12, 12), (..., slice(3, 9), slice(3, 9))
    logits, label = random_logits(shape)[patch], random_label(shape)
    target = {"label": label[patch], "memberships": memberships_of(label)[patch]}
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), keep_argmax=True)
    expected = dice()(logits, label[patch]) + FuzzyAuxiliaryLoss()(logits, memberships_of(label)[patch])
    torch.testing.assert_close(loss(logits, target), expected)
    assert not torch.allclose(loss(logits, label[patch]), expected, rtol=1e-3)


def test_target_stays(case):
    logits, label = case
    target = {"label": label.clone(), "memberships": memberships_of(label)}
    ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), keep_argmax=True)(logits, target)
    assert set(target) == {"label", "memberships"}
    assert torch.equal(target["label"], label)
    assert torch.equal(target["memberships"], memberships_of(label))


# what is logged


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


def test_unknown_class_is_named_before_the_base_loss_fails():
    with pytest.raises(ValueError, match="values 7 are outside the classes 0 to 2"):
        ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss())(torch.zeros(1, 3, 4, 4), torch.full((1, 1, 4, 4), 7.0))


def test_terms_at_weight_0_are_still_there(case):
    logits, label = case
    terms = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), fuzzy_weight=0.0).terms(logits, label)
    assert set(terms) >= LOGGED
    assert terms["fuzzy_weight"] == 0
    assert torch.equal(terms["total"], dice()(logits, label))
    torch.testing.assert_close(terms["fuzzy"], FuzzyAuxiliaryLoss()(logits, memberships_of(label)))


@pytest.mark.parametrize(("radius", "share"), [(1, 2 / 8), (2, 4 / 8)])
def test_boundary_share_of_a_flat_boundary(radius, share):
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), radius=radius)
    assert float(loss.terms(random_logits((1, 1, 8, 8, 8)), halves())["boundary_share"]) == pytest.approx(share)


def test_no_boundary_without_a_second_class():
    logits, label = random_logits((1, 1, 8, 8)), torch.full((1, 1, 8, 8), 2)
    assert ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss()).terms(logits, label)["boundary_share"] == 0


def test_terms_carry_the_gradient_of_the_total():
    logits, label = random_logits(SHAPES[0]), random_label(SHAPES[0])
    loss, gradients = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), 0.7), []
    for value_of in (loss, lambda *pair: loss.terms(*pair)["total"]):
        at = logits.clone().requires_grad_()
        value_of(at, label).backward()
        gradients.append(at.grad)
    assert torch.equal(*gradients)


# in a training


def test_rho_is_found_by_the_optimiser_and_by_the_checkpoint():
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(0.3, 0.8))
    names = {name.rpartition(".")[2] for name, _ in loss.named_parameters()}
    assert names == {"raw_rho_1", "raw_rho_2"}
    other = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss())
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    logits, label = random_logits(SHAPES[0]), random_label(SHAPES[0])
    assert torch.equal(loss(logits, label), other(logits, label))
    assert list(ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(1.0, 1.0, learnable=False)).parameters()) == []


def test_weight_0_gives_rho_no_gradient():
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), fuzzy_weight=0.0)
    loss(random_logits(SHAPES[0]).requires_grad_(), random_label(SHAPES[0])).backward()
    assert all(parameter.grad is None or parameter.grad == 0 for parameter in loss.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_logits_of_50_under_autocast(dtype):
    label = random_label((2, 1, 7, 6, 5))
    logits = (50 * random_logits((2, 1, 7, 6, 5)).sign()).to(dtype).requires_grad_()
    loss = ParetoFuzzyLoss(Remember(), FuzzyAuxiliaryLoss())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = loss.terms(logits, label)
        fuzzy = FuzzyAuxiliaryLoss()(logits, memberships_of(label))
    terms["total"].backward()
    assert torch.equal(terms["fuzzy"], fuzzy)
    assert terms["total"].isfinite()
    assert logits.grad.isfinite().all()


class Products(nn.Module):
    """A base loss made of a matrix product, which autocast would compute in half precision."""

    def forward(self, logits, target):
        return (logits.flatten(1) @ logits.flatten(1).T).mean()


@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("base_loss", [dice(), Products()], ids=["dice", "products"])
def test_half_precision_logits_are_computed_in_float32(base_loss, weight):
    logits, label = random_logits(SHAPES[1]).bfloat16(), random_label(SHAPES[1])
    loss = ParetoFuzzyLoss(base_loss, FuzzyAuxiliaryLoss(), weight)
    expected = loss(logits.float(), label)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, total = loss(logits, label), loss.terms(logits, label)["total"]
    assert value.dtype == total.dtype == torch.float32
    assert torch.equal(value, expected)
    assert torch.equal(total, expected)


# refusals


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_refuses_a_weight_that_is_none(value):
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss())
    with pytest.raises(ValueError, match=f"fuzzy_weight must be finite and at least 0, got {value}"):
        loss.set_fuzzy_weight(value)
    with pytest.raises(ValueError, match="fuzzy_weight"):
        ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), fuzzy_weight=value)
    assert loss.terms(random_logits(SHAPES[0]), random_label(SHAPES[0]))["fuzzy_weight"] == 1


def test_refuses_labels_between_classes():
    with pytest.raises(InputError, match=r"values 0\.5 are outside the classes 0 to 3"):
        ParetoFuzzyLoss(Remember(), FuzzyAuxiliaryLoss())(random_logits(SHAPES[0]), torch.full(SHAPES[0], 0.5))


def test_refuses_memberships_of_another_patch():
    logits, label = random_logits(SHAPES[0]), random_label(SHAPES[0])
    target = {"label": label, "memberships": memberships_of(label)[..., 1:]}
    with pytest.raises(ValueError, match="shapes differ"):
        ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss())(logits, target)


@pytest.mark.parametrize("missing", ["label", "memberships"])
def test_refuses_half_a_target(missing):
    label = random_label(SHAPES[0])
    target = {"label": label, "memberships": memberships_of(label)}
    del target[missing]
    with pytest.raises(KeyError, match=missing):
        ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss())(random_logits(SHAPES[0]), target)


def test_refuses_a_radius_without_neighbours():
    with pytest.raises(ValueError, match="radius must be a whole number of voxels, at least 1, got 0"):
        ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), radius=0)
