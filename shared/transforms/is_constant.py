"""Recognise a constant image, which holds no information."""

from __future__ import annotations

from torch import Tensor

__all__ = ["is_constant"]

ROUNDING = 1e-6  # of the largest value


def is_constant(values: Tensor) -> bool:
    """Say whether values are all the same, but for what float32 loses."""
    lowest, highest = float(values.min()), float(values.max())
    return highest - lowest <= ROUNDING * max(abs(lowest), abs(highest))
