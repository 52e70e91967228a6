"""Logits and labels for the loss of Eq. 9."""

import pytest
import torch
from monai.losses import DiceLoss
from torch import nn

from shared.transforms import fuzzy_membership

CLASSES = 4
SHAPES = [(2, 1, 9, 8), (2, 1, 6, 7, 5)]


def random_label(shape, seed=0):
    return torch.randint(0, CLASSES, shape, generator=torch.Generator().manual_seed(seed))


def random_logits(shape, seed=1):
    batch, _, *spatial = shape
    return 2 * torch.randn(batch, CLASSES, *spatial, generator=torch.Generator().manual_seed(seed))


def as_onehot(label):
    return nn.functional.one_hot(label[:, 0], CLASSES).movedim(-1, 1)


def memberships_of(label, radius=1):
    return fuzzy_membership(as_onehot(label), radius)


class Remember(nn.Module):
    """A base loss that keeps what it is given."""

    def forward(self, logits, target):
        self.logits, self.target = logits, target
        return logits.mean()


def dice():
    return DiceLoss(softmax=True, to_onehot_y=True)


every_case = pytest.mark.parametrize(
    "case", [(random_logits(shape), random_label(shape)) for shape in SHAPES], ids=["2d", "3d"]
)
