"""Losses whose values are given, weighted by learned uncertainties."""

import torch
from torch import nn

from shared.losses import UncertaintyWeightedLoss


class Given(nn.Module):
    """A loss whose value is its prediction."""

    def forward(self, prediction, target):
        return prediction


def given(*values, **options):
    """The weighted sum of losses a, b, ... with these values, and a function that computes it."""
    names = "abcdef"[: len(values)]
    weighted = UncertaintyWeightedLoss(
        dict.fromkeys(names, Given()), {name: (name, "none") for name in names}, **options
    )
    prediction = {name: torch.as_tensor(value) for name, value in zip(names, values)}
    return weighted, lambda: weighted(prediction, {"none": None})


def set_log_variances(weighted, *values):
    with torch.no_grad():
        for parameter, value in zip(weighted.log_variances.values(), values):
            parameter.fill_(value)


def descend(total, optimizer, steps=1):
    """Take steps on a function without arguments that returns the loss."""
    for _ in range(steps):
        optimizer.zero_grad()
        total().backward()
        optimizer.step()
