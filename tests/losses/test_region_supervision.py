"""The region map is supervised by the foreground."""

import torch
from torch.nn import functional

from shared.losses.region_supervision import RegionSupervisionLoss, region_means


def test_is_cross_entropy_and_dice_of_a_sigmoid():
    """MONAI's loss against the formula, since it treats one channel in a way of its own."""
    logits, label = torch.randn(2, 1, 4, 4, 4), torch.randint(0, 3, (2, 1, 4, 4, 4))
    y, p = (label > 0).float(), logits.sigmoid()
    dice = 1 - (2 * (p * y).flatten(1).sum(1) + 1e-5) / (p.flatten(1).sum(1) + y.flatten(1).sum(1) + 1e-5)
    expected = functional.binary_cross_entropy(p, y) + dice.mean()
    torch.testing.assert_close(RegionSupervisionLoss()(logits, label), expected)


def test_means_inside_and_outside_by_hand():
    region = torch.tensor([0.8, 0.4, 0.1, 0.3]).logit().view(1, 1, 1, 2, 2).requires_grad_()
    means = region_means(region, torch.tensor([2, 1, 0, 0]).view(1, 1, 1, 2, 2))
    torch.testing.assert_close(means, {"region_inside": torch.tensor(0.6), "region_outside": torch.tensor(0.2)})
    assert not any(mean.requires_grad for mean in means.values())
