import math

import pytest
import torch
from monai.losses import FocalLoss
from torch.nn import functional

from shared.errors import InputError
from shared.losses import FocalCrossEntropyLoss


def test_by_hand():
    """Probabilities of the right class 1/2 and 1/4: (1/4 ln 2 + 9/16 ln 4) / 2."""
    logits = torch.tensor([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]).log()
    loss = FocalCrossEntropyLoss()(logits, torch.tensor([0, 2]))
    assert loss.item() == pytest.approx((math.log(2) / 4 + 9 / 16 * math.log(4)) / 2)


@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_scale_is_that_of_the_formula_and_k_times_monais_mean(num_classes):
    logits = torch.randn(7, num_classes, generator=torch.Generator().manual_seed(0))
    classes = torch.arange(7) % num_classes
    p = logits.softmax(dim=1)[torch.arange(7), classes]
    loss = FocalCrossEntropyLoss()(logits, classes)
    torch.testing.assert_close(loss, ((1 - p) ** 2 * -p.log()).mean())
    monais = FocalLoss(to_onehot_y=True, use_softmax=True, gamma=2)(logits, classes.unsqueeze(1))
    torch.testing.assert_close(loss, num_classes * monais)


def test_without_focus_it_is_cross_entropy():
    logits, classes = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    torch.testing.assert_close(
        FocalCrossEntropyLoss(gamma=0)(logits, classes), functional.cross_entropy(logits, classes)
    )


@pytest.mark.parametrize("certainty", [10.0, 1000.0])
def test_sure_answers_have_finite_gradients(certainty):
    logits = torch.tensor([[certainty, 0, 0], [certainty, 0, 0]], requires_grad=True)
    FocalCrossEntropyLoss()(logits, torch.tensor([0, 1])).backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[1].abs().max() > 0.1


def test_float32_under_autocast():
    logits, classes = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert FocalCrossEntropyLoss()(logits, classes) == FocalCrossEntropyLoss()(logits.double(), classes.int())


def test_refuses_classes_that_there_are_not():
    with pytest.raises(InputError, match=r"class: numbers must be 0 to 1, got \[0, 2\]"):
        FocalCrossEntropyLoss()(torch.zeros(2, 2), torch.tensor([0, 2]))
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(2, 1\)"):
        FocalCrossEntropyLoss()(torch.zeros(2, 2), torch.zeros(2, 1))
