"""Cases for the fuzzy losses: random ones, a lesion of nested discs, shuffled labels."""

import itertools

import torch
from torch.nn import functional

from shared.losses import FuzzyAuxiliaryLoss
from shared.transforms import fuzzy_membership

CLASSES = 4
SHAPES = [(2, 4, 9, 7), (2, 3, 5, 6, 4)]  # of logits
SETTINGS = list(itertools.product([0.1, 0.5, 0.999], [0.001, 0.3, 0.5, 0.95]))  # of rho_1 and rho_2
FLAT_BOUNDARY = (17 / 26, 9 / 26)  # memberships on both sides of a flat boundary in 3D


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def as_onehot(label, classes=CLASSES):
    """Turn classes (B, *spatial) into (B, C, *spatial)."""
    return functional.one_hot(label, classes).movedim(-1, 1)


def random_onehot(shape, seed=0):
    batch, classes, *spatial = shape
    return as_onehot(torch.randint(0, classes, (batch, *spatial), generator=seeded(seed)), classes)


def random_case(shape=(2, CLASSES, 7, 6, 5), scale=2.0, seed=0):
    """Logits (B, C, *spatial) and memberships of the same shape."""
    return scale * torch.randn(shape, generator=seeded(seed)), fuzzy_membership(random_onehot(shape, seed))


def probabilities_of(logits):
    """Softmax in float64, written out."""
    exponentials = logits.double().exp()
    return exponentials / exponentials.sum(dim=1, keepdim=True)


def rings(size=24):
    """A lesion of nested discs around the centre, with an intensity image that shows it: both (1, 1, 24, 24)."""
    axis = torch.arange(size) - (size - 1) / 2
    distance = (axis[:, None].square() + axis.square()).sqrt()
    label = torch.where(distance < 3, 1, torch.where(distance < 6, 3, torch.where(distance < 9, 2, 0)))[None, None]
    return label, label + 0.3 * torch.randn(label.shape, generator=seeded())


def shuffled(label):
    return label.flatten()[torch.randperm(label.numel(), generator=seeded())].view_as(label)


def lesion_case(scale=1.0, label=None):
    """Logits that follow the lesion (the more, the larger the scale) and its memberships."""
    label = rings()[0] if label is None else label
    return scale * as_onehot(rings()[0][:, 0]).float(), fuzzy_membership(as_onehot(label[:, 0]))


def fixed(rho_1=1.0, rho_2=1.0):
    return FuzzyAuxiliaryLoss(rho_1, rho_2, learnable=False)


def value_and_gradient(loss, logits, target):
    at = logits.clone().requires_grad_()
    value = loss(at, target)
    value.backward()
    return value.detach(), at.grad
