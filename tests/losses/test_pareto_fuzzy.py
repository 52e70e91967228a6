"""A base loss plus a weighted fuzzy loss: Eq. 9."""

import io

import pytest
import torch
from monai.losses import DiceCELoss
from pareto_cases import SHAPES, dice, every_case, memberships_of, random_label, random_logits

from shared.losses import FuzzyAuxiliaryLoss, ParetoFuzzyLoss


@every_case
@pytest.mark.parametrize("weight", [0.01, 1.0, 2.5])
@pytest.mark.parametrize("base_loss", [dice(), DiceCELoss(softmax=True, to_onehot_y=True)], ids=["dice", "dice_ce"])
def test_is_base_plus_weighted_fuzzy_loss(case, base_loss, weight):
    logits, label = case
    fuzzy_loss = FuzzyAuxiliaryLoss(0.3, 0.8)
    expected = base_loss(logits, label) + weight * fuzzy_loss(logits, memberships_of(label))
    torch.testing.assert_close(ParetoFuzzyLoss(base_loss, fuzzy_loss, weight)(logits, label), expected)


@every_case
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


def test_weight_is_one_unless_told():
    logits, label = random_logits(SHAPES[0]), random_label(SHAPES[0])
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss())
    assert torch.equal(loss(logits, label), ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), 1.0)(logits, label))
    assert loss(logits, label) > dice()(logits, label) + 1


@every_case
def test_set_fuzzy_weight_scales_the_fuzzy_part(case):
    logits, label = case
    base, loss = dice()(logits, label), ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss())
    whole = loss(logits, label) - base
    for value in (0.5, 0.01, 3):
        loss.set_fuzzy_weight(value)
        torch.testing.assert_close(loss(logits, label) - base, value * whole, rtol=1e-4, atol=1e-5)


@every_case
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


def test_weight_0_gives_rho_no_gradient():
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), fuzzy_weight=0.0)
    loss(random_logits(SHAPES[0]).requires_grad_(), random_label(SHAPES[0])).backward()
    assert all(parameter.grad is None or parameter.grad == 0 for parameter in loss.parameters())


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


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_refuses_a_weight_that_is_none(value):
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss())
    with pytest.raises(ValueError, match=f"fuzzy_weight must be finite and at least 0, got {value}"):
        loss.set_fuzzy_weight(value)
    with pytest.raises(ValueError, match="fuzzy_weight"):
        ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), fuzzy_weight=value)
    assert loss.terms(random_logits(SHAPES[0]), random_label(SHAPES[0]))["fuzzy_weight"] == 1
