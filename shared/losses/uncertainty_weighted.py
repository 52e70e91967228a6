"""Any set of losses, weighted by learned uncertainties or by fixed numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from .learned_uncertainties import bounded_log_variance
from .loss_terms import Total

__all__ = ["UncertaintyWeightedLoss"]


class UncertaintyWeightedLoss(nn.Module):
    r"""Weighted sum of named losses whose weights are learned along with the network.

    .. math:: L = \sum_i \exp(-s_i) L_i + s_i, \qquad s_i = \log \sigma_i^2

    Eq. 2 with Eq. 5 of "Uncertainty Driven Multi-Loss Fully Convolutional Networks for Histopathology" (BenTaieb and
    Hamarneh, 2017), one learned scalar per loss, from 0 (weight 1). At its optimum sigma_i^2 = L_i, where the sum is
    sum_i 1 + log L_i: **negative by design** once the losses are small, so never stop or choose a model by it.
    The scalars belong into the optimiser (group of their own, no weight decay) and into the checkpoint.

    Departures from the paper:

    - The losses have to be means over pixels. Eqs. 6, 8, 9 sum over them, but add s_i once: over 250 x 250 pixels the
      first step of SGD at the paper's rate of 0.01 puts s at 687, and the loss is switched off. A mean is the same
      likelihood with its s_i inside the sum.
    - s_i is limited to +-`max_log_variance`. Nothing else bounds it below: as L_i falls to zero the weight 1 / L_i, a
      factor on the learning rate, grows without end. Beyond the bound only gradients that lead back count, see
      `bounded_log_variance`. (Of several processes each chooses before the gradients are averaged.)

    A weight given in `weights` is fixed, as in Eq. 1, sum_i lambda_i L_i. A loss of weight 0 is still computed: it is
    logged, and the part of the network that only it reads takes part in DistributedDataParallel.

    Which losses to learn a weight for: those that cannot be made small without learning the task. At the optimum the
    sum is sum_i 1 + log L_i, so a penalty that a constant prediction satisfies (`GeometryLoss`) pays without end for
    constant predictions. Learned from the start, its weight rises to the bound and holds the network there; fix it.

    Args:
        losses: modules by name, each called with a part of the prediction and of the target, each a scalar. One with
            parameters of its own trains them.
        inputs: for every name the key of the prediction and the key of the target that its loss reads, e.g.
            ``{"class": ("class_logits", "grade")}``; None instead of a key means the whole of it.
        weights: lambda by name, at least 0, or None to learn that one; losses that it does not name are left out. By
            default all are learned.
        max_log_variance: the bound on learned s_i, or None for no bound. 3 lets weights be 0.05 to 20.
        terms: names of the losses that take part; by default all, or those in `weights`.

    Example:
        >>> loss = UncertaintyWeightedLoss({"class": nn.CrossEntropyLoss()}, {"class": ("class_logits", "grade")})
        >>> loss({"class_logits": torch.zeros(1, 2)}, {"grade": torch.tensor([1])}).item()
        0.6931471824645996
    """

    def __init__(
        self,
        losses: Mapping[str, nn.Module],
        inputs: Mapping[str, Sequence[str | None]],
        weights: Mapping[str, float | None] | None = None,
        max_log_variance: float | None = 3.0,
        terms: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.total = Total()
        names = _chosen(losses, weights, terms)
        for name in names:
            if isinstance(inputs.get(name), str) or len(inputs.get(name) or ()) != 2:
                raise InputError(f"inputs: give (prediction key, target key) for the loss {name!r}.")
        if max_log_variance is not None and not max_log_variance > 0:
            raise InputError(f"max_log_variance must be positive, or None for no bound, got {max_log_variance}.")
        self.losses = nn.ModuleDict({name: losses[name] for name in names})
        self.inputs = {name: tuple(inputs[name]) for name in names}
        self.fixed_weights = {name: float(w) for name, w in (weights or {}).items() if name in names and w is not None}
        self.max_log_variance = max_log_variance
        learned = [name for name in names if name not in self.fixed_weights]
        self.log_variances = nn.ParameterDict([(name, nn.Parameter(torch.zeros(()))) for name in learned])

    def forward(self, prediction: Mapping[str, Tensor] | Tensor, target: Mapping[str, Tensor] | Tensor) -> Tensor:
        """Return the weighted sum, a scalar.

        The losses are computed in float32 under autocast as well.

        Args:
            prediction: what the network returns in training.
            target: what the losses compare it with.
        """
        return self.total(self.terms(prediction, target))

    def terms(
        self, prediction: Mapping[str, Tensor] | Tensor, target: Mapping[str, Tensor] | Tensor
    ) -> dict[str, Tensor]:
        """Return what the sum is made of, as scalars for logging.

        `total` is the value of the sum. Every loss has its own value under its name and its factor, exp(-s) or lambda,
        as ``weight_<name>``; if the factor is learned, also the bounded s as ``log_variance_<name>``. A loss with a
        method `scalars` adds what that returns.
        """
        terms: dict[str, Tensor] = {}
        weighted: list[Tensor] = []
        tensors = prediction.values() if isinstance(prediction, Mapping) else [prediction]
        device = next(tensor.device for tensor in tensors if isinstance(tensor, Tensor))
        with torch.autocast(device.type, enabled=False):
            for name, loss in self.losses.items():
                prediction_key, target_key = self.inputs[name]
                value = loss(_float32(_part(prediction, prediction_key, name)), _part(target, target_key, name))
                if value.ndim:
                    raise ValueError(f"the loss {name!r} must be a scalar, got shape {tuple(value.shape)}; reduce it.")
                terms[name] = value
                terms |= loss.scalars() if hasattr(loss, "scalars") else {}
                if name in self.log_variances:
                    log_variance = bounded_log_variance(self.log_variances[name], self.max_log_variance)
                    terms[f"log_variance_{name}"] = log_variance
                    terms[f"weight_{name}"] = (-log_variance).exp()
                    weighted.append(terms[f"weight_{name}"] * value + log_variance)
                else:
                    terms[f"weight_{name}"] = value.new_tensor(self.fixed_weights[name])
                    weighted.append(terms[f"weight_{name}"] * value)
            terms["total"] = torch.stack(weighted).sum()
        return terms


def _chosen(
    losses: Mapping[str, nn.Module], weights: Mapping[str, float | None] | None, terms: Sequence[str] | None
) -> list[str]:
    """Return the names of the losses that take part, in the order of `losses`."""
    for setting, named in (("weights", weights), ("terms", terms)):
        unknown = set(named or ()) - set(losses)
        if isinstance(named, str) or unknown:
            raise InputError(f"{setting}: {named} names unknown losses; choose from {', '.join(losses)}.")
    everything = losses if weights is None else weights
    chosen = set(everything if terms is None else terms)
    if not chosen:
        raise InputError(f"no loss is chosen; name one or more of {', '.join(losses)} in terms or weights.")
    if "total" in chosen:
        raise InputError("losses: 'total' is the name of the weighted sum; give the loss another one.")
    for name in chosen if weights is not None else ():
        weight = weights.get(name, math.nan)
        if weight is not None and not (math.isfinite(weight) and weight >= 0):
            needed = "a finite weight of at least 0 (None: learned)"
            raise InputError(f"weights: the loss {name!r} needs {needed}, got {weight}.")
    return [name for name in losses if name in chosen]


def _part(whole: Mapping[str, Tensor] | Tensor, key: str | None, name: str) -> Any:
    """Return an item of a dictionary, or the whole, without metadata."""
    if key is None:
        return _plain(whole)
    if not isinstance(whole, Mapping) or key not in whole:
        found = ", ".join(whole) if isinstance(whole, Mapping) else "a tensor"
        raise ValueError(f"the loss {name!r} reads {key!r}, which is missing: {found}; correct its inputs.")
    return _plain(whole[key])


def _plain(value: Any) -> Any:
    """MetaTensor to tensor; its bookkeeping costs more than a small loss."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.as_subclass(Tensor) if isinstance(value, Tensor) else value


def _float32(value: Any) -> Any:
    """Floating tensors, of dictionaries and lists as well, in at least float32."""
    if isinstance(value, Mapping):
        return {key: _float32(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_float32(item) for item in value]
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.to(torch.promote_types(value.dtype, torch.float32))
    return value
