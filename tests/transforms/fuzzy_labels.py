"""Labels, their memberships, and what SciPy counts."""

import numpy as np
import torch
from scipy import ndimage

from shared.transforms import fuzzy_membership

SHAPES = [(11, 8), (7, 9, 6)]
CLASSES = 4


def random_label(shape, classes=CLASSES, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, classes, shape))


def blocky_label(shape, seed=0):
    """Classes in blocks of 5 voxels, so that there are boundaries as well as insides."""
    label = random_label([(size + 4) // 5 for size in shape], seed=seed)
    for axis, size in enumerate(shape):
        label = label.repeat_interleave(5, dim=axis).narrow(axis, 0, size)
    return label


def cube(side, size=9):
    """Return a cube of class 1 inside class 0, never at the border."""
    label = torch.zeros(size, size, size, dtype=torch.int64)
    label[(slice(3, 3 + side),) * 3] = 1
    return label


def as_onehot(label, classes=CLASSES):
    """Turn classes (*spatial) into (1, C, *spatial)."""
    return torch.nn.functional.one_hot(label, classes).movedim(-1, 0).unsqueeze(0)


def memberships_of(label, classes=CLASSES, radius=1):
    """(C, *spatial) by the code under test."""
    return fuzzy_membership(as_onehot(label, classes), radius)[0]


def neighbours(radius, dimensions):
    kernel = np.ones([2 * radius + 1] * dimensions)
    kernel[(radius,) * dimensions] = 0
    return kernel


def filtered(image, radius):
    return ndimage.convolve(image.astype(np.float64), neighbours(radius, image.ndim), mode="constant")


def memberships_by_scipy(label, classes=CLASSES, radius=1):
    label = label.numpy()
    counted = np.stack([filtered(label == index, radius) for index in range(classes)])
    return torch.from_numpy(counted / filtered(np.ones(label.shape), radius))
