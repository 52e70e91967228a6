"""Gate that turns the agreement of experts into weights of their modalities."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["ExpertGate", "can_decide", "gate_strength_setter"]

HIDDEN = 16


class ExpertGate(nn.Module):
    r"""Weights of the available modalities from agreement scores, one number per modality and sample.

    .. math:: w_m = \frac{\exp g_m}{\sum_{k \in A} \exp g_k}, \qquad g_m = G(u_m, v_m)

    Eq. 7 of Tong et al., "CLoE: Expert Consistency Learning for Missing Modality Segmentation" (2026). G is one
    perceptron for all modalities; its form is open in the paper. Here it reads -log(1 - u) and -log(1 - v), with
    distances below 1e-4 as 1e-4: cosines of segmentations are between 0.9 and 1, where raw scores differ too little for
    a gate to learn from. It has 16 hidden units. Its last layer starts at zero: the weights start equal. It has no
    bias, to which a softmax is blind.

    With two available modalities the gate cannot act: a cosine is symmetric, so both have the same scores and the
    same logit. There the logits are zero here, and the scores need not be known. `modality_bias` lets those two differ.

    Args:
        num_scores: scores per modality.
        num_modalities: M.
        modality_bias: add a learned number per modality to g (not in the paper).
    """

    def __init__(self, num_scores: int, num_modalities: int, modality_bias: bool = False) -> None:
        super().__init__()
        self.perceptron = nn.Sequential(nn.Linear(num_scores, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1, bias=False))
        nn.init.zeros_(self.perceptron[2].weight)
        self.bias = nn.Parameter(torch.zeros(num_modalities)) if modality_bias else None
        self.register_buffer("strength", torch.ones(()))

    def set_strength(self, value: float) -> None:
        """Set the factor of g, finite and at least zero: 0 makes the weights equal, 1 is the published gate."""
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"gate strength must be finite and at least 0, got {value}.")
        self.strength.fill_(value)

    def forward(self, scores: Tensor, available: Tensor, slots: Tensor) -> Tensor:
        """Return weights (B, K), float32, that sum to one over the available modalities and are 0 elsewhere.

        Args:
            scores: (B, K, `num_scores`); in samples with one or two available modalities anything finite.
            available: boolean (B, K), with at least one True per sample (else NaN).
            slots: integer (B, K), the modality in every slot.
        """
        if torch.jit.is_scripting():
            return self._weights(scores, available, slots)
        with torch.autocast(scores.device.type, enabled=False):
            return self._weights(scores, available, slots)

    def _weights(self, scores: Tensor, available: Tensor, slots: Tensor) -> Tensor:
        closeness = -(1 - scores.to(self.strength.dtype)).clamp(min=1e-4).log()
        logits = self.perceptron(closeness).squeeze(2).float()
        logits = torch.where(can_decide(available).unsqueeze(1), logits, 0.0)
        bias = self.bias
        if bias is not None:
            logits = logits + bias.float()[slots]
        return (self.strength.float() * logits).masked_fill(~available, -math.inf).softmax(dim=1)


def gate_strength_setter(network: nn.Module) -> Callable[[float], None]:
    """Return the function that sets the strength of a network's gate, for MONAI's `ParamSchedulerHandler`.

    Of a network without gate (equal weights, RFNet) it does nothing, so that one schedule serves all of them.
    """
    gate = getattr(network, "gate", None)
    return gate.set_strength if isinstance(gate, ExpertGate) else lambda value: None


def can_decide(available: Tensor) -> Tensor:
    """Return in which samples scores can change the weights, (B,): those with three available modalities or more."""
    return available.sum(dim=1) > 2
