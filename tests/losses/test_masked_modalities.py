import pytest
import torch

from shared.errors import InputError
from shared.losses import MaskedModalitiesLoss, ViewConsistencyLoss


def test_restoring_by_hand():
    """Errors 2 and 4 of two present modalities: mean square 10. A learned image 1, 3 | 5, 5: norm of -1, 1, 0, 0."""
    prediction = {
        "images": torch.tensor([2.0, 4.0, 9.0]).view(1, 3, 1, 1, 1),
        "learned_image": torch.tensor([[1.0, 3.0], [5.0, 5.0]]).view(2, 2, 1, 1),
        "present": torch.tensor([[True, True, False]]),
    }
    target = {"image": torch.tensor([0.0, 0.0, torch.nan]).view(1, 3, 1, 1, 1)}
    loss = MaskedModalitiesLoss(flatness=0.5)
    assert loss(prediction, target).item() == pytest.approx(10 + 0.5 * 2**0.5)
    terms = loss.terms(prediction, target)
    assert terms["image_error"].item() == pytest.approx(10)
    assert terms["unevenness"].item() == pytest.approx(2**0.5)


def test_an_even_learned_image_has_a_finite_gradient():
    learned = torch.ones(1, 2, 2, 2, requires_grad=True)
    prediction = {"images": torch.zeros(1, 1, 2, 2, 2), "learned_image": learned, "present": torch.tensor([[True]])}
    MaskedModalitiesLoss()(prediction, {"image": torch.zeros(1, 1, 2, 2, 2)}).backward()
    assert learned.grad.isfinite().all()


def test_views_by_hand():
    """Logits 1 and 4 of two views: 9, weighted by 0.1."""
    views = torch.tensor([1.0, 4.0]).view(1, 2, 1, 1, 1, 1)
    loss = ViewConsistencyLoss()
    assert loss({"views": views}, {}).item() == pytest.approx(0.9)
    assert loss.terms({"views": views}, {})["view_difference"].item() == pytest.approx(9)


@pytest.mark.parametrize("make", [lambda w: MaskedModalitiesLoss(flatness=w), lambda w: ViewConsistencyLoss(weight=w)])
def test_refuses_a_weight_below_zero(make):
    with pytest.raises(InputError, match="must be at least 0, got -1"):
        make(-1)
