"""Both losses are computed in float32 under autocast."""

import pytest
import torch
from pareto_cases import SHAPES, Remember, dice, memberships_of, random_label, random_logits
from torch import nn

from shared.losses import FuzzyAuxiliaryLoss, ParetoFuzzyLoss


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
