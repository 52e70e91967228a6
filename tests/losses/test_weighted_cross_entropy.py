import math

import pytest
import torch
from torch.nn import functional

from shared.errors import InputError
from shared.losses import WeightedCrossEntropyDiceLoss, weighted_cross_entropy

CLASSES = 4


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, CLASSES, 3, 4, 5, generator=generator)
    return logits, torch.randint(0, CLASSES, (2, 1, 3, 4, 5), generator=generator)


def onehot(label):
    return functional.one_hot(label[:, 0].long(), CLASSES).movedim(-1, 1).float()


def test_by_hand():
    """One voxel of class 0 and three of class 1: weights 3/4 and 1/4; probabilities of the right class 1/2, 3 x 1/4."""
    logits = torch.tensor([[[0.5, 0.75, 0.75, 0.75], [0.5, 0.25, 0.25, 0.25]]]).log()
    target = torch.tensor([[[1.0, 0, 0, 0], [0, 1, 1, 1]]])
    expected = (3 / 4 * math.log(2) + 3 * 1 / 4 * math.log(4)) / 4
    assert weighted_cross_entropy(logits, target).item() == pytest.approx(expected)


def test_as_the_published_formula_with_loops(batch):
    logits, label = batch
    p, y = logits.softmax(dim=1), onehot(label)
    total = 0.0
    for sample in range(2):
        for number in range(CLASSES):
            weight = 1 - y[sample, number].sum() / y[sample].sum()
            total -= (weight * y[sample, number] * p[sample, number].clamp(0.005, 1).log()).mean() / 2
    dice = 0.0
    for number in range(CLASSES):
        dice += 2 * (p[:, number] * y[:, number]).sum() / (p[:, number].sum() + y[:, number].sum() + 1e-7)
    torch.testing.assert_close(weighted_cross_entropy(logits, y, legacy_clamp=True), total)
    torch.testing.assert_close(WeightedCrossEntropyDiceLoss(legacy_clamp=True)(logits, label), total + 1 - dice / 4)


def test_squared_dice_by_hand():
    """Two voxels, classes 0 and 1, both with p = 3/4 of their own: 2 x 3/4 / (9/16 + 1/16 + 1) for either class."""
    logits = torch.tensor([[[0.75, 0.25], [0.25, 0.75]]]).log()
    label = torch.tensor([[[0, 1]]])
    cross_entropy = -0.5 * math.log(0.75)  # both weights are a half
    expected = cross_entropy + 1 - 1.5 / (10 / 16 + 1)
    assert WeightedCrossEntropyDiceLoss(squared=True)(logits, label).item() == pytest.approx(expected)


def test_without_weights_it_is_cross_entropy_plus_the_same_dice(batch):
    logits, label = batch
    target = onehot(label)
    dice = WeightedCrossEntropyDiceLoss()(logits, label) - weighted_cross_entropy(logits, target)
    expected = functional.cross_entropy(logits, label[:, 0]) + dice
    torch.testing.assert_close(WeightedCrossEntropyDiceLoss(weighted=False)(logits, label), expected)


def test_weights_move_the_best_probability_of_a_rare_class_up():
    """Of ten voxels alike one is a lesion: p = 0.1 is best without weights, and 0.9 x 0.1 / (0.9 x 0.1 + 0.1 x 0.9)."""
    label = torch.zeros(1, 1, 10, dtype=torch.long)
    label[..., 0] = 1
    target = functional.one_hot(label[:, 0], 2).movedim(-1, 1).float()

    def best(loss):
        shares = torch.linspace(0.01, 0.99, 99)
        values = [loss(torch.stack([1 - p, p]).log().view(1, 2, 1).expand(1, 2, 10)) for p in shares]
        return shares[torch.stack(values).argmin()].item()

    assert best(lambda logits: weighted_cross_entropy(logits, target)) == pytest.approx(0.5, abs=0.011)
    assert best(lambda logits: functional.cross_entropy(logits, label[:, 0])) == pytest.approx(0.1, abs=0.011)


def test_the_clamp_belongs_to_the_weighted_loss():
    with pytest.raises(InputError, match="legacy_clamp: belongs to the weighted loss"):
        WeightedCrossEntropyDiceLoss(weighted=False, legacy_clamp=True)


@pytest.mark.parametrize(("legacy_clamp", "pulls"), [(False, True), (True, False)])
def test_the_worst_voxels_pull_unless_clamped(legacy_clamp, pulls):
    logits = torch.tensor([[[9.0, 0.0], [0.0, 0.0]]], requires_grad=True)
    target = torch.tensor([[[0.0, 1], [1, 0]]])  # the first voxel is certain and wrong
    weighted_cross_entropy(logits, target, legacy_clamp).backward()
    assert (logits.grad[..., 0].abs().max() > 0.1) == pulls


def test_dice_of_classes_that_are_absent_stays_at_its_floor():
    logits = torch.zeros(1, CLASSES, 4)
    logits[:, 0] = 50.0
    loss = WeightedCrossEntropyDiceLoss()(logits, torch.zeros(1, 1, 4, dtype=torch.long))
    assert loss.item() == pytest.approx(0.75)


def test_finite_for_huge_logits_and_in_float32_under_autocast(batch):
    logits, label = batch
    huge = (100 * logits).requires_grad_()
    WeightedCrossEntropyDiceLoss()(huge, label).backward()
    assert torch.isfinite(huge.grad).all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = WeightedCrossEntropyDiceLoss()(logits, label)
    assert under_autocast == WeightedCrossEntropyDiceLoss()(logits, label)


def test_other_shapes_are_refused(batch):
    with pytest.raises(ValueError, match="shapes differ"):
        weighted_cross_entropy(batch[0], batch[0][:, :2])
