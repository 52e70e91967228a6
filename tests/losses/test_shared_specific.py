import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from shared.errors import InputError
from shared.losses import CLoELoss, SharedSpecificLoss, WeightedCrossEntropyDiceLoss, shared_distance
from shared.networks import ShaSpec


def batch():
    """Two samples; the second has modalities 1 and 3 alone, so that other numbers of the prediction do not count."""
    random = torch.Generator().manual_seed(0)
    return {
        "shared": torch.randn(2, 4, 3, 2, 2, 2, generator=random),
        "domain_logits": torch.randn(2, 4, 4, generator=random),
        "available": torch.tensor([[True] * 4, [False, True, False, True]]),
    }


def test_by_hand():
    """Features 0, 1, 3: |0 - 1| + |1 - 3| + |3 - 0|; logits that say nothing: log 3."""
    prediction = {
        "shared": torch.tensor([0.0, 1.0, 3.0]).view(1, 3, 1, 1, 1, 1).expand(1, 3, 2, 2, 2, 2),
        "domain_logits": torch.zeros(1, 3, 3),
        "available": torch.tensor([[True] * 3]),
    }
    terms = SharedSpecificLoss()(prediction, {}), SharedSpecificLoss().terms(prediction, {})
    assert terms[0].item() == terms[1]["completion"].item() == pytest.approx(0.1 * 6 + 0.02 * math.log(3))
    assert terms[1]["shared_distance"].item() == 6


def test_is_the_papers_sums_over_the_available_modalities():
    """Eqs. 5, 8 and 9 as loops: the cross-entropy a mean over modalities, the distances a sum around the ring."""
    prediction = batch()
    shared, logits, available = (prediction[name].numpy() for name in ("shared", "domain_logits", "available"))
    classification, alignment = [], []
    for sample in range(2):
        there = [m for m in range(4) if available[sample, m]]
        for m in there:
            exponentials = np.exp(logits[sample, m])
            one_hot = np.arange(4) == m
            classification.append(-(one_hot * np.log(exponentials / exponentials.sum())).sum())
        ring = pairwise([*there, there[0]])
        alignment.append(sum(np.abs(shared[sample, i] - shared[sample, k]).mean() for i, k in ring))
    expected = 0.3 * np.mean(alignment) + 0.7 * np.mean(classification)
    loss = SharedSpecificLoss(alignment_weight=0.3, domain_weight=0.7)(prediction, {})
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_one_modality_alone_has_nothing_to_be_like():
    features = torch.randn(1, 2, 3, 2, 2, 2, requires_grad=True)
    distance = shared_distance(features, torch.tensor([[False, True]]))
    distance.backward()
    assert distance.item() == 0
    assert not features.grad.any()


@pytest.mark.parametrize("name", ["alignment_weight", "domain_weight"])
@pytest.mark.parametrize("weight", [-0.1, math.nan])
def test_refuses_a_weight_below_zero(name, weight):
    with pytest.raises(InputError, match=f"{name} must be at least 0, got {weight}"):
        SharedSpecificLoss(**{name: weight})


def test_is_added_to_the_loss_of_experts_for_networks_without_experts():
    torch.manual_seed(0)
    image, label = torch.randn(1, 4, 32, 32, 32), torch.randint(0, 4, (1, 1, 32, 32, 32))
    prediction = ShaSpec(features=2, blocks=(1, 1, 1, 1))(image)
    auxiliary = SharedSpecificLoss()
    loss = CLoELoss(expert_weight=0, region_consistency=0, region_weight=0, completion_loss=auxiliary)
    expected = WeightedCrossEntropyDiceLoss()(prediction["pred"], label) + auxiliary(prediction, {})
    torch.testing.assert_close(loss(prediction, {"label": label}), expected)
