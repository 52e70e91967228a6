"""The target: a label, whose memberships the loss makes, or both."""

import pytest
import torch
from pareto_cases import SHAPES, Remember, as_onehot, dice, every_case, memberships_of, random_label, random_logits

from shared.errors import InputError
from shared.losses import FuzzyAuxiliaryLoss, ParetoFuzzyLoss
from shared.transforms import keep_argmax


@every_case
def test_base_loss_sees_the_hard_label(case):
    logits, label = case
    for target in (label, {"label": label, "memberships": memberships_of(label)}):
        base = Remember()
        ParetoFuzzyLoss(base, FuzzyAuxiliaryLoss())(logits, target)
        assert torch.equal(base.target, label)
        assert torch.equal(base.logits, logits)


@every_case
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64, torch.float32])
@pytest.mark.parametrize("radius", [1, 2])
def test_bare_label_of_any_type_gets_its_own_memberships(case, radius, dtype):
    logits, label = case
    loss = ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), radius=radius)
    given = {"label": label.to(dtype), "memberships": memberships_of(label, radius)}
    assert torch.equal(loss(logits, label.to(dtype)), loss(logits, given))


@every_case
def test_bare_label_gets_the_memberships_that_keep_its_argmax_if_so_chosen(case):
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


@every_case
def test_the_target_stays_as_it_is(case):
    logits, label = case
    target = {"label": label.clone(), "memberships": memberships_of(label)}
    ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss(), keep_argmax=True)(logits, target)
    assert set(target) == {"label", "memberships"}
    assert torch.equal(target["label"], label)
    assert torch.equal(target["memberships"], memberships_of(label))


@pytest.mark.parametrize("value", [7.0, 0.5])
def test_a_label_outside_the_classes_is_named_before_the_base_loss_fails(value):
    with pytest.raises(InputError, match=f"values {value:g} are outside the classes 0 to 3"):
        ParetoFuzzyLoss(dice(), FuzzyAuxiliaryLoss())(random_logits(SHAPES[0]), torch.full(SHAPES[0], value))


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
