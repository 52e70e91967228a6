import pytest
import torch
from torch.nn import functional

from shared.losses import ExpertSupervisionLoss, WeightedCrossEntropyDiceLoss


def batch(space):
    random = torch.Generator().manual_seed(0)
    return torch.randn(3, 2, 4, *space, generator=random), torch.randint(0, 4, (3, 1, *space), generator=random)


@pytest.mark.parametrize("space", [(6, 5), (3, 4, 5)])
def test_is_the_sum_over_experts_of_the_losses_of_single_samples(space):
    """By loops: weighted cross-entropy and Dice of every expert of every sample, mean over the samples."""
    experts, label = batch(space)
    mask = torch.tensor([[True, True], [False, True], [False, False]])
    total = 0.0
    for sample, m in mask.nonzero().tolist():
        p = experts[sample, m].softmax(dim=0)
        y = functional.one_hot(label[sample, 0], 4).movedim(-1, 0).float()
        for number in range(4):
            weight = 1 - y[number].mean()
            total -= (weight * y[number] * p[number].log()).mean()
            dice = 2 * (p[number] * y[number]).sum() / (p[number].sum() + y[number].sum() + 1e-7)
            total += (1 - dice) / 4
    torch.testing.assert_close(ExpertSupervisionLoss()(experts, label, mask), total / 3)


def test_an_expert_outside_the_mask_has_no_influence_and_no_gradient():
    experts, label = batch((3, 4, 5))
    mask = torch.tensor([[True, True], [False, True], [True, False]])
    broken = torch.where(mask.view(3, 2, 1, 1, 1, 1), experts, float("nan")).requires_grad_()
    loss = ExpertSupervisionLoss()(broken, label, mask)
    assert torch.equal(loss, ExpertSupervisionLoss()(experts, label, mask))
    loss.backward()
    assert not broken.grad[~mask].any()
    assert broken.grad[mask].flatten(1).any(1).all()


def test_without_any_expert_it_is_zero():
    experts, label = batch((3, 4, 5))
    experts.requires_grad_()
    loss = ExpertSupervisionLoss()(experts, label, torch.zeros(3, 2) > 0)
    loss.backward()
    assert loss == 0


def test_another_loss_takes_its_place():
    experts, label = batch((3, 4, 5))
    mask = torch.ones(3, 2) > 0
    whole = WeightedCrossEntropyDiceLoss()
    expected = 2 * whole(experts.flatten(0, 1), label.repeat_interleave(2, dim=0))
    torch.testing.assert_close(ExpertSupervisionLoss(whole)(experts, label, mask), expected)
