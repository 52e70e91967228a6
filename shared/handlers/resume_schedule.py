"""Bring optimiser and learning rate schedule to a later epoch, and to a later end."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

__all__ = ["different_hyperparameter", "hyperparameters", "replay_schedule", "schedule_differs"]

# How a step is computed, not what it is; and the rate, which a schedule changes.
NOT_COMPARED = {
    "params",
    "param_names",
    "lr",
    "fused",
    "foreach",
    "capturable",
    "differentiable",
    "decoupled_weight_decay",
}
COUNTERS = {"last_epoch", "_step_count", "_last_lr", "_get_lr_called_within_step", "_is_initial"}


def hyperparameters(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return a copy of the parameter groups without their parameters."""
    return [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]


def different_hyperparameter(
    saved: Sequence[Mapping[str, Any]], given: Sequence[Mapping[str, Any]], has_schedule: bool
) -> str | None:
    """Describe the first hyperparameter that a state dict would replace silently, or return None.

    Args:
        saved: parameter groups of the checkpoint.
        given: those of the new optimiser, before anything was loaded.
        has_schedule: whether a schedule changes the rate; then its initial value is compared, where it is known.
    """
    for number, (old, new) in enumerate(zip(saved, given, strict=False)):
        names = [name for name in new if name in old and name not in NOT_COMPARED]
        if not has_schedule:
            names.append("lr")
        if "max_momentum" in new:  # a cyclic schedule changes these
            names = [name for name in names if name not in ("momentum", "betas")]
        for name in names:
            if _plain(old[name]) != _plain(new[name]):
                shown = name.replace("initial_lr", "learning rate")
                return f"{shown} of parameter group {number} is {old[name]} in the checkpoint, {new[name]} is given"
    return None


def schedule_differs(saved: Mapping[str, Any], item: Any) -> bool:
    """Return whether an object is a schedule of other settings (such as its end) than its saved state.

    `ReduceLROnPlateau` does not count: it depends on scores, so that its steps cannot be repeated.
    """
    if not isinstance(item, LRScheduler) or isinstance(item, ReduceLROnPlateau):
        return False
    return _plain(saved) != _plain(item.state_dict())


def replay_schedule(scheduler: LRScheduler, fresh: Sequence[Mapping[str, Any]], steps: int) -> None:
    """Set the rates to those that the schedule has after some steps, as if it had been used from the start.

    The recursive formulas of PyTorch (`CosineAnnealingLR`, `PolynomialLR`) are exact only when they are stepped.

    Args:
        scheduler: newly built; its state is that before the first step.
        fresh: hyperparameters of its optimiser when it was built.
        steps: number of steps.
    """
    for group, values in zip(scheduler.optimizer.param_groups, fresh, strict=True):
        group.update(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the optimiser has not stepped yet
        for _ in range(steps):
            scheduler.step()


def _plain(value: Any) -> Any:
    """Make tuples lists and tensors numbers, without the counters of a schedule."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items() if name not in COUNTERS}
    return value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
