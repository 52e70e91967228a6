"""Weight of a fuzzy loss that changes over the training."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["WithFuzzyWeight"]


class WithFuzzyWeight(nn.Module):
    """A loss with lambda(t) of PGO's Eq. 9: checked, in the state dict, set from outside by a schedule."""

    fuzzy_weight: Tensor

    def add_fuzzy_weight(self, value: float) -> None:
        """Make lambda, a buffer; once, in `__init__`."""
        self.register_buffer("fuzzy_weight", torch.zeros(()))
        self.set_fuzzy_weight(value)

    def set_fuzzy_weight(self, value: float) -> None:
        """Set lambda, finite and at least zero."""
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"fuzzy_weight must be finite and at least 0, got {value}.")
        self.fuzzy_weight.fill_(value)
