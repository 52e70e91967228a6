import pytest
import torch
from monai.losses import DiceCELoss, MaskedDiceLoss
from torch.nn import functional

from shared.losses import VoxelWeightedDiceCELoss, voxel_weighted_dice_loss

SHAPES = [(2, 4, 7, 6), (2, 4, 5, 4, 6)]


def as_onehot(label):
    return functional.one_hot(label[:, 0], 4).movedim(-1, 1)


@pytest.fixture(params=SHAPES, ids=["2d", "3d"])
def case(request):
    """Logits, label and weights between 0 and 1."""
    generator = torch.Generator().manual_seed(0)
    batch, classes, *spatial = request.param
    logits = 2 * torch.randn(request.param, generator=generator)
    label = torch.randint(0, classes, (batch, 1, *spatial), generator=generator)
    return logits, label, torch.rand(batch, 1, *spatial, generator=generator)


def test_weights_of_1_give_monais_dice_and_cross_entropy(case):
    logits, label, weights = case
    expected = DiceCELoss(to_onehot_y=True, softmax=True)(logits, label)
    torch.testing.assert_close(VoxelWeightedDiceCELoss()(logits, label, torch.ones_like(weights)), expected)


def test_weights_of_0_and_1_are_monais_mask(case):
    logits, label, weights = case
    mask = (weights > 0.5).float()
    expected = MaskedDiceLoss(softmax=True)(logits, as_onehot(label), mask)
    inside = functional.cross_entropy(logits, label[:, 0], reduction="none")[mask[:, 0] > 0]
    torch.testing.assert_close(VoxelWeightedDiceCELoss()(logits, label, mask), expected + inside.mean())


def test_dice_by_hand():
    """One class of two voxels, p = 0.5 and 1, y = 1 and 0, w = 0.5 and 0.25: 2 * 0.25 / (0.25 + 0.25 + 0.5) = 0.5."""
    probabilities, onehot = torch.tensor([[[0.5, 1.0]]]), torch.tensor([[[1, 0]]])
    loss = voxel_weighted_dice_loss(probabilities, onehot, torch.tensor([[[0.5, 0.25]]]))
    assert loss.item() == pytest.approx(0.5, abs=1e-4)


def test_a_perfect_prediction_has_no_dice_loss_whatever_the_weights(case):
    """Unlike MONAI's mask, which multiplies prediction and label each."""
    _, label, weights = case
    onehot = as_onehot(label).float()
    assert voxel_weighted_dice_loss(onehot, onehot, weights).item() == pytest.approx(0, abs=1e-5)
    assert MaskedDiceLoss()(onehot, onehot, weights).item() > 0.2


def test_dice_pulls_every_voxel_to_its_class_whatever_its_weight(case):
    logits, label, weights = case
    onehot = as_onehot(label)
    probabilities = logits.softmax(dim=1).requires_grad_()
    (gradient,) = torch.autograd.grad(voxel_weighted_dice_loss(probabilities, onehot, weights), probabilities)
    assert (gradient[onehot == 1] < 0).all()
    assert (gradient[onehot == 0] > 0).all()


def test_voxels_without_weight_do_not_count(case):
    logits, label, weights = case
    weights = (weights > 0.3) * weights
    elsewhere = logits.where(weights > 0, logits.flip(1))
    loss = VoxelWeightedDiceCELoss()
    torch.testing.assert_close(loss(logits, label, weights), loss(elsewhere, label, weights))


def test_no_weight_at_all_gives_neither_loss_nor_gradient(case):
    logits, label, weights = case
    logits.requires_grad_()
    loss = VoxelWeightedDiceCELoss()(logits, label, torch.zeros_like(weights))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()
