"""Logits at a temperature."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError

__all__ = ["at_temperature"]


def at_temperature(logits: Tensor, temperature: float | Sequence[float]) -> Tensor:
    """Divide logits by a temperature, which changes how certain the classes are, but not which is the most probable.

    With one temperature per class, the logarithms of the probabilities are divided: logits are known but for a number
    that is added to all, which counts then. The most probable class may change.

    Args:
        logits: (C, *spatial).
        temperature: T, or (T_1, ..., T_C).
    """
    if isinstance(temperature, (int, float)):
        return logits if temperature == 1 else logits / temperature
    if len(temperature) != len(logits):
        raise InputError(
            f"temperature: {len(temperature)} numbers do not fit {len(logits)} classes; give one per class."
        )
    divisors = torch.tensor(list(temperature), dtype=logits.dtype, device=logits.device)
    return logits.log_softmax(dim=0) / divisors.view(-1, *[1] * (logits.ndim - 1))
