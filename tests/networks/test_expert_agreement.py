"""Agreement between experts: Eq. 2, Eq. 6."""

import numpy as np
import pytest
import torch
from agreement_by_loop import scores_by_loop
from small_cloe import NAN

from shared.networks import agreement_scores, expert_similarities


@pytest.mark.parametrize("space", [(7, 5), (4, 3, 5)])
def test_scores_are_those_of_the_printed_sums(space):
    """In two and three dimensions, with two, three, one and no other expert."""
    torch.manual_seed(0)
    probabilities, region = torch.randn(3, 4, 3, *space).softmax(dim=2), torch.rand(3, 1, *space)
    available = torch.tensor([[True] * 4, [True, False, True, True], [False, True, False, False]])
    broken = probabilities.clone()
    broken[~available] = NAN
    u = agreement_scores(expert_similarities(broken, available), available)
    v = agreement_scores(expert_similarities(broken, available, region), available)
    for sample in range(3):
        expected = scores_by_loop(probabilities[sample].numpy(), available[sample], region[sample].numpy())
        np.testing.assert_allclose(torch.stack([u[sample], v[sample]], dim=1), expected, rtol=1e-5)


def test_similarities_stay_finite_where_the_region_is_empty():
    """A sigmoid far below zero is zero in float32; the slope of a root is infinite there."""
    probabilities = torch.rand(1, 2, 3, 4, 4, requires_grad=True)
    region = torch.zeros(1, 1, 4, 4, requires_grad=True)
    similarities = expert_similarities(probabilities, torch.ones(1, 2) > 0, region)
    assert not similarities.any()
    similarities.sum().backward()
    assert probabilities.grad.isfinite().all()
    assert region.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_similarities_are_computed_in_single_precision_under_autocast(dtype):
    """120^3 probabilities of one: their sum of squares is beyond 65504, the largest half-precision number."""
    probabilities, available = torch.ones(1, 2, 1, 120, 120, 120), torch.ones(1, 2) > 0
    probabilities[:, 1, :, :60] = 0
    with torch.autocast("cpu", dtype):
        similarity = expert_similarities(probabilities, available)[0, 0, 1]
    assert similarity.item() == pytest.approx(0.5**0.5, abs=1e-5)
