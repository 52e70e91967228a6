"""What holds for all losses on one mask."""

import pytest
import torch

from shared.errors import InputError
from shared.losses import BoundaryCurvatureLoss, FocalTverskyLoss, TextureLoss

LOSSES = [FocalTverskyLoss, BoundaryCurvatureLoss, TextureLoss]


def lesion_and_normal():
    label = torch.zeros(2, 1, 12, 12, dtype=torch.int8)
    label[0, 0, 3:8, 4:10] = 1
    return label


@pytest.mark.parametrize("make", LOSSES)
@pytest.mark.parametrize("certainty", [5.0, 20.0, 200.0])
def test_perfect_prediction_has_finite_gradients_and_almost_no_loss(make, certainty):
    label = lesion_and_normal()
    logits = ((2.0 * label - 1) * certainty).requires_grad_()
    loss = make()(logits, label)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    assert loss < 0.1 if certainty == 5 else loss < 1e-4


@pytest.mark.parametrize("make", LOSSES)
def test_wrong_prediction_has_a_gradient_in_float32_and_under_autocast(make):
    label = lesion_and_normal()
    logits = torch.randn(2, 1, 12, 12, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = make()(logits, label)
    loss.backward()
    assert loss > 0
    assert logits.grad.abs().max() > 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert make()(logits, label) == loss
        assert make()(logits.bfloat16(), label).dtype == torch.float32


@pytest.mark.parametrize("make", LOSSES)
def test_every_type_of_label_counts_the_same(make):
    label = lesion_and_normal()
    logits = torch.randn(2, 1, 12, 12)
    assert make()(logits, label) == make()(logits, label.bool()) == make()(logits, label.double())


@pytest.mark.parametrize("make", LOSSES)
def test_refuses_masks_of_other_values_and_shapes(make):
    with pytest.raises(InputError, match="a lesion's mask holds 0 and 1 only, got 255 too; threshold it first"):
        make()(torch.zeros(1, 1, 4, 4), torch.tensor([0, 255]).view(1, 1, 1, 2).expand(1, 1, 4, 2).repeat(1, 1, 1, 2))
    with pytest.raises(ValueError, match=r"\(1, 1, 4, 4\) and \(1, 4, 4\)"):
        make()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match=r"must both be \(B, 1, H, W\)"):
        make()(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4))
