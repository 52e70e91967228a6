"""Schedules over epochs, for MONAI's `ParamSchedulerHandler`: weights of losses, and what a curriculum admits.

Each is the handler's `value_calculator` and takes the number of the epoch that begins, from 1 on, so t = epoch - 1:

    ParamSchedulerHandler(
        parameter_setter=loss.set_fuzzy_weight, value_calculator=ExponentialDecay(1.0, max_epochs=1000), vc_kwargs={},
        epoch_level=True, event=Events.EPOCH_STARTED,
    )

The handler's default event, after an iteration, would set lambda one step late and count iterations.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from ..errors import InputError

__all__ = ["ConstantWeight", "ExponentialDecay", "LinearDecay", "LinearRamp", "WarmUp"]


@dataclass(frozen=True)
class ConstantWeight:
    """lambda(t) = lambda_0.

    Args:
        initial_value: lambda_0, at least 0; with 0 there is no fuzzy loss.
    """

    initial_value: float

    def __post_init__(self) -> None:
        _check_initial_value(self.initial_value)

    def __call__(self, current_step: int) -> float:
        """Return lambda for an epoch, counted from 1."""
        _epochs_before(current_step)
        return self.initial_value


@dataclass(frozen=True)
class LinearDecay:
    """lambda(t) = lambda_0 (1 - (1 - final_share) t / max_epochs), and constant from t = max_epochs on.

    Args:
        initial_value: lambda_0, at least 0.
        max_epochs: epochs until the final value.
        final_share: lambda(max_epochs) / lambda_0, in [0, 1].
    """

    initial_value: float
    max_epochs: int
    final_share: float = 0.01

    def __post_init__(self) -> None:
        _check_initial_value(self.initial_value)
        _check_max_epochs(self.max_epochs)
        if not 0 <= self.final_share <= 1:
            raise ValueError(f"final_share must be in [0, 1], got {self.final_share}.")

    def __call__(self, current_step: int) -> float:
        """Return lambda for an epoch, counted from 1."""
        progress = min(_epochs_before(current_step) / self.max_epochs, 1.0)
        return self.initial_value * (1 - (1 - self.final_share) * progress)


@dataclass(frozen=True)
class ExponentialDecay:
    """lambda(t) = lambda_0 exp(-alpha t), Sec. 3.3 of "Pareto-Guided Optimization ..." (2026).

    The paper gives neither alpha nor the unit of t; here t counts epochs and alpha = ln(1 / final_share) / max_epochs.

    Args:
        initial_value: lambda_0, at least 0.
        max_epochs: epochs until `final_share` is reached; the decay goes on after that.
        final_share: lambda(max_epochs) / lambda_0, in (0, 1].
    """

    initial_value: float
    max_epochs: int
    final_share: float = 0.01

    def __post_init__(self) -> None:
        _check_initial_value(self.initial_value)
        _check_max_epochs(self.max_epochs)
        if not 0 < self.final_share <= 1:
            raise ValueError(f"final_share must be in (0, 1], got {self.final_share}.")

    def __call__(self, current_step: int) -> float:
        """Return lambda for an epoch, counted from 1."""
        alpha = -math.log(self.final_share) / self.max_epochs
        return self.initial_value * math.exp(-alpha * _epochs_before(current_step))


@dataclass(frozen=True)
class LinearRamp:
    """a(t) = 1 - (1 - initial_value) (1 - t / (full_at_share max_epochs)), and 1 from there on.

    The uncertainty that a region-wise curriculum admits; the setter is `RegionCurriculum.set_admitted_uncertainty`.

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
        _check_max_epochs(self.max_epochs)
        if not 0 <= self.initial_value <= 1:
            raise InputError(f"curriculum: the initial value must be in [0, 1], got {self.initial_value}.")
        if not 0 < self.full_at_share <= 1:
            raise InputError(f"curriculum: full_at_share must be in (0, 1], got {self.full_at_share}.")

    def __call__(self, current_step: int) -> float:
        """Return the admitted uncertainty for an epoch, counted from 1."""
        left = max(1 - _epochs_before(current_step) / (self.full_at_share * self.max_epochs), 0.0)
        return 1 - (1 - self.initial_value) * left


@dataclass(frozen=True)
class WarmUp:
    """w(t) = 0 while t < epochs, then 1, with t = epoch - 1.

    RFNet (Ding et al., ICCV 2021) learns its encoders, single modalities and probability maps for 20 epochs before the
    fused output counts. The setter is `MissingModalityLoss.set_fused_weight`.

    Args:
        epochs: how many have the weight 0.
        max_epochs: length of the training, to warn if it ends before this weight counts.
    """

    epochs: int
    max_epochs: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.epochs, int) or self.epochs < 0:
            raise InputError(f"warm-up: give a whole number of epochs, at least 0, not {self.epochs!r}.")
        if self.max_epochs is not None and self.epochs >= self.max_epochs:
            logging.getLogger(type(self).__name__).warning(
                "The fused output is not trained: %d epochs of warm-up, %d of training; lower --warm_up_epochs.",
                self.epochs,
                self.max_epochs,
            )

    def __call__(self, current_step: int) -> float:
        """Return the weight for an epoch, counted from 1."""
        return float(_epochs_before(current_step) >= self.epochs)


def _epochs_before(current_step: int) -> int:
    """Return t for an epoch, counted from 1."""
    if current_step < 1:
        raise ValueError(f"current_step must be an epoch's number, counted from 1, got {current_step}.")
    return current_step - 1


def _check_initial_value(initial_value: float) -> None:
    if not (math.isfinite(initial_value) and initial_value >= 0):
        raise ValueError(f"initial_value must be finite and at least 0, got {initial_value}.")


def _check_max_epochs(max_epochs: int) -> None:
    """Refuse a training without epochs."""
    if max_epochs < 1:
        raise ValueError(f"max_epochs must be at least 1, got {max_epochs}.")
