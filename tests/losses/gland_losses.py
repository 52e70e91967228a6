"""The four losses of the gland bundle on a small case."""

import torch
from torch import nn

from shared.losses import GeometryLoss, HierarchicalMaskLoss, HierarchicalTopologyLoss, UncertaintyWeightedLoss

INPUTS = {
    "class": ("class_logits", "grade"),
    "mask": ("pred", "label"),
    "topology": ("pred", "label"),
    "geometry": ("pred", "label"),
}


def gland_losses():
    return {
        "class": nn.CrossEntropyLoss(),
        "mask": HierarchicalMaskLoss(),
        "topology": HierarchicalTopologyLoss(),
        "geometry": GeometryLoss(),
    }


def weighted_gland_losses(**options):
    return UncertaintyWeightedLoss(gland_losses(), INPUTS, **options)


def gland_case(size=8):
    generator = torch.Generator().manual_seed(0)
    prediction = {
        "pred": torch.randn(2, 3, size, size, generator=generator),
        "class_logits": torch.randn(2, 2, generator=generator),
    }
    label = torch.randint(0, 3, (2, 1, size, size), generator=generator)
    return prediction, {"label": label, "grade": torch.tensor([0, 1])}
