"""Learned uncertainties as weights of the terms of a loss that has fixed weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from ..errors import InputError

__all__ = ["LearnedUncertainties", "bounded_log_variance"]


def bounded_log_variance(log_variance: Tensor, bound: float | None) -> Tensor:
    """Limit a learned s = log sigma^2 to +-`bound`; None: no limit.

    Beyond the bound (momentum carries a scalar there) it receives only such gradients as lead back. A hard clamp would
    hold it there for good: its gradient is zero in both directions.
    """
    return log_variance if bound is None else _Limit.apply(log_variance, bound)


class LearnedUncertainties(nn.Module):
    r"""Weight some terms of a sum by learned uncertainties, on top of the fixed weights that they have.

    .. math:: L = \sum_i w_i L_i \quad\longrightarrow\quad \sum_i w_i (\exp(-s_i) L_i + s_i)

    for the terms that are named; the others stay as they are. One learned scalar per term, from 0, where both sums are
    equal; Eq. 2 of "Uncertainty Driven Multi-Loss Fully Convolutional Networks for Histopathology" (BenTaieb and
    Hamarneh, 2017) for w_i = 1. The fixed weight also counts for s_i, so that a term of weight 0 learns nothing.
    `UncertaintyWeightedLoss` says which terms to name, and where the scalars belong.

    Args:
        names: of the terms.
        max_log_variance: the bound on s_i, or None for no bound. 3 lets weights be 0.05 to 20.
    """

    def __init__(self, names: Sequence[str], max_log_variance: float | None = 3.0) -> None:
        super().__init__()
        if isinstance(names, str) or not names or len(set(names)) < len(names):
            raise InputError(f"names of learned terms: give a list, every one once, not {names!r}.")
        if max_log_variance is not None and not max_log_variance > 0:
            raise InputError(f"max_log_variance must be positive, or None for no bound, got {max_log_variance}.")
        self.max_log_variance = max_log_variance
        self.log_variances = nn.ParameterDict([(name, nn.Parameter(torch.zeros(()))) for name in names])

    def forward(
        self, total: Tensor, terms: Mapping[str, Tensor], weights: Mapping[str, Tensor | float]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the new sum, and ``log_variance_<name>`` and ``learned_weight_<name>``, exp(-s), for logging.

        Args:
            total: the sum under fixed weights.
            terms: L_i by name, scalars, not weighted.
            weights: w_i by name.

        Raises:
            InputError: a named term is not among them.
        """
        logged = {}
        for name, parameter in self.log_variances.items():
            if name not in terms or name not in weights:
                known = ", ".join(known for known in terms if known in weights)
                raise InputError(f"learned terms: the loss has no term {name!r} with these settings, only {known}.")
            log_variance = bounded_log_variance(parameter, self.max_log_variance)
            weight = (-log_variance).exp()
            total = total + weights[name] * ((weight - 1) * terms[name] + log_variance)
            logged |= {f"log_variance_{name}": log_variance, f"learned_weight_{name}": weight}
        return total, logged


class _Limit(torch.autograd.Function):
    """Clamp to +-bound; outside, a gradient passes only if its descent leads back inside."""

    @staticmethod
    def forward(ctx: FunctionCtx, value: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(value)
        ctx.bound = bound
        return value.clamp(-bound, bound)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        (value,) = ctx.saved_tensors
        leads_away = ((value > ctx.bound) & (gradient < 0)) | ((value < -ctx.bound) & (gradient > 0))
        return gradient.masked_fill(leads_away, 0.0), None
