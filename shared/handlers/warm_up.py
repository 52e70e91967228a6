"""Schedule of a weight that is zero at first, for MONAI's `ParamSchedulerHandler`."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from .schedules import epochs_before

__all__ = ["WarmUp"]


@dataclass(frozen=True)
class WarmUp:
    """w(t) = 0 while t < epochs, then 1, with t = epoch - 1.

    RFNet (Ding et al., ICCV 2021) learns its encoders, single modalities and region maps for 20 epochs before the fused
    output counts. The setter is `MissingModalityLoss.set_fused_weight`; how the handler is set up is said at the
    schedules of the fuzzy weight.

    Args:
        epochs: how many have the weight 0.
    """

    epochs: int

    def __post_init__(self) -> None:
        if not isinstance(self.epochs, int) or self.epochs < 0:
            raise InputError(f"warm-up: give a whole number of epochs, at least 0, not {self.epochs!r}.")

    def __call__(self, current_step: int) -> float:
        """Return the weight for an epoch, counted from 1."""
        return float(epochs_before(current_step) >= self.epochs)
