import pytest
import torch

from shared.losses import FocalTverskyLoss


def logits_of(*probabilities):
    """Pixels in a row, (1, 1, 1, N)."""
    return torch.tensor(probabilities, dtype=torch.float64).logit().view(1, 1, 1, -1)


def test_by_hand():
    """p = 0.8, 0.4 in the lesion, 0.5 outside: TP 1.2, FN 0.8, FP 0.5; TI = 1.2 / (1.2 + 0.15 + 0.56)."""
    label = torch.tensor([1, 1, 0]).view(1, 1, 1, 3)
    loss = FocalTverskyLoss(smooth=1e-9)(logits_of(0.8, 0.4, 0.5), label)
    assert loss.item() == pytest.approx((1 - 1.2 / 1.91) ** 0.75, rel=1e-6)
    loss = FocalTverskyLoss()(logits_of(0.8, 0.4, 0.5), label)  # with one pixel of smoothing
    assert loss.item() == pytest.approx((1 - 2.2 / 2.91) ** 0.75, rel=1e-6)


def test_missed_pixels_count_more_than_surplus_ones():
    """Two pixels, one of them wrong for sure: 1 - 2/2.7 when missed, 1 - 2/2.3 when too many."""
    missed = FocalTverskyLoss()(torch.tensor([99.0, -99.0]).view(1, 1, 1, 2), torch.ones(1, 1, 1, 2))
    surplus = FocalTverskyLoss()(torch.tensor([99.0, 99.0]).view(1, 1, 1, 2), torch.tensor([1, 0]).view(1, 1, 1, 2))
    assert missed.item() == pytest.approx((0.7 / 2.7) ** 0.75)
    assert surplus.item() == pytest.approx((0.3 / 2.3) ** 0.75)


def test_batch_is_counted_as_one_or_averaged():
    """A hit of one pixel and an image without a lesion where one pixel is said to be: FP = 1."""
    logits = torch.tensor([99.0, 99.0]).view(2, 1, 1, 1)
    label = torch.tensor([1, 0]).view(2, 1, 1, 1)
    assert FocalTverskyLoss()(logits, label).item() == pytest.approx((0.3 / 2.3) ** 0.75)
    each = FocalTverskyLoss(batch=False)(logits, label).item()
    assert each == pytest.approx((1e-7**0.75 + (0.3 / 1.3) ** 0.75) / 2, rel=1e-4)


def test_images_without_a_lesion_teach_only_when_counted_over_the_batch():
    """Why `batch` and a smoothing of one pixel are the defaults."""
    label = torch.zeros(2, 1, 16, 16)
    label[0, 0, 4:9, 4:9] = 1
    logits = torch.full((2, 1, 16, 16), -4.6).requires_grad_()
    (counted,) = torch.autograd.grad(FocalTverskyLoss()(logits, label), logits)
    (averaged,) = torch.autograd.grad(FocalTverskyLoss(batch=False, smooth=1e-7)(logits, label), logits)
    assert counted[1].sum() > 1e-3
    assert averaged[1].abs().sum() < 1e-5


def test_other_numbers():
    label = torch.tensor([1, 0]).view(1, 1, 1, 2)
    loss = FocalTverskyLoss(alpha=0.5, beta=0.5, gamma=2, smooth=1e-9)(logits_of(0.5, 0.5), label)
    assert loss.item() == pytest.approx(0.25)  # half of Dice: 1 - 0.5 / (0.5 + 0.25 + 0.25)
    with pytest.raises(ValueError, match="gamma, smooth positive"):
        FocalTverskyLoss(smooth=0)
