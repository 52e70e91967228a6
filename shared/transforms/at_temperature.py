"""Temperature scaling of logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError

__all__ = ["at_temperature"]


def at_temperature(logits: Tensor, temperature: float | Sequence[float], dim: int = 0) -> Tensor:
    """Divide logits by a temperature, which changes how certain the classes are, but not which is the most probable.

    With one temperature per class, the logarithms of the probabilities are divided: logits are known but for a number
    that is added to all, which counts then. The most probable class may change.

    Args:
        logits: (C, *spatial), or with C along another axis.
        temperature: T, or (T_1, ..., T_C).
        dim: axis of the classes.
    """
    if isinstance(temperature, (int, float)):
        return logits if temperature == 1 else logits / temperature
    if len(temperature) != logits.shape[dim]:
        raise InputError(
            f"temperature: {len(temperature)} numbers do not fit {logits.shape[dim]} classes; give one per class."
        )
    divisors = torch.tensor(list(temperature), dtype=logits.dtype, device=logits.device)
    return logits.log_softmax(dim=dim) / divisors.view(-1, *[1] * (logits.ndim - 1 - dim))
