"""Schedule of the uncertainty that a region-wise curriculum admits, for MONAI's `ParamSchedulerHandler`."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from .schedules import check_max_epochs, epochs_before

__all__ = ["LinearRamp"]


@dataclass(frozen=True)
class LinearRamp:
    """a(t) = 1 - (1 - initial_value) (1 - t / (full_at_share max_epochs)), and 1 from there on.

    t = epoch - 1, as in the schedules of the fuzzy weight, which says how the handler is set up; its setter here is
    `RegionCurriculum.set_admitted_uncertainty`.

    Args:
        max_epochs: of the training.
        initial_value: a(0), in [0, 1]. A curriculum by prediction has to begin above 1 - 1 / classes - width, or an
            untrained network finds no voxel to learn from.
        full_at_share: part of the training after which all is admitted, in (0, 1].
    """

    max_epochs: int
    initial_value: float = 0.0
    full_at_share: float = 0.5

    def __post_init__(self) -> None:
        check_max_epochs(self.max_epochs)
        if not 0 <= self.initial_value <= 1:
            raise InputError(f"curriculum: the initial value must be in [0, 1], got {self.initial_value}.")
        if not 0 < self.full_at_share <= 1:
            raise InputError(f"curriculum: full_at_share must be in (0, 1], got {self.full_at_share}.")

    def __call__(self, current_step: int) -> float:
        """Return the admitted uncertainty for an epoch, counted from 1."""
        left = max(1 - epochs_before(current_step) / (self.full_at_share * self.max_epochs), 0.0)
        return 1 - (1 - self.initial_value) * left
