import math

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from shared.losses import TextureLoss


def test_by_hand():
    """One lesion pixel in 5 x 5, nothing predicted: edges 1, 2, 1 and -1, -2, -1: variance 12 / 25, mean 0."""
    label = torch.zeros(1, 1, 5, 5)
    label[0, 0, 2, 2] = 1
    loss = TextureLoss()(torch.full((1, 1, 5, 5), -99.0), label)
    assert loss.item() == pytest.approx(math.sqrt(12 / 25) - 1e-4, rel=1e-5)


def test_is_eq_12_image_by_image():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 1, 7, 9, generator=generator)
    label = torch.randint(0, 2, (3, 1, 7, 9), generator=generator)
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])

    def strength(mask):
        return correlate(mask.astype(float), sobel, mode="constant").std()

    pairs = zip(logits.sigmoid()[:, 0].numpy(), label[:, 0].numpy(), strict=True)
    expected = np.mean([abs(strength(mask) - strength(probability)) for probability, mask in pairs])
    assert TextureLoss()(logits, label).item() == pytest.approx(expected, rel=1e-5)


def test_filter_is_horizontal():
    """Stripes along rows have no horizontal edge but at the picture's border; along columns they do."""
    stripes = (torch.arange(16) % 4 < 2).float().expand(16, 16)[None, None]
    nothing = torch.full((1, 1, 16, 16), -99.0)
    assert TextureLoss()(nothing, stripes) > 2 * TextureLoss()(nothing, stripes.mT)
