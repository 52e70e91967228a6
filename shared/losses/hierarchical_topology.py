"""Topology loss: cross-entropy over the valid combinations of labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError
from .hierarchy_loss import HierarchyLoss

__all__ = ["HierarchicalTopologyLoss"]


class HierarchicalTopologyLoss(HierarchyLoss):
    r"""Topology loss L_t, Eq. 8 of BenTaieb and Hamarneh 2017 without its uncertainty, mean over pixels.

    .. math:: L_t = -\frac{1}{|\Omega|} \sum_p \log P_t(S_p)

    P_t is `state_log_probabilities`: invalid combinations have probability zero. Eq. 8 sums over the labels that a
    pixel has, but the right side of Eq. 7 is the same for all of them, so that a state with two labels counts twice.
    Here every pixel counts once, as in the cross-entropy that the text speaks of.

    Args:
        states: see `HierarchyLoss`; by default those of the gland hierarchy.
        literal: weight every pixel by the number of its labels, as Eq. 8 does.
        state_weights: weight of a pixel by its state, one positive number per state; the mean is then weighted, as in
            PyTorch's `CrossEntropyLoss`. By default all are 1.
    """

    def __init__(
        self,
        states: Tensor | Sequence[Sequence[int]] | None = None,
        literal: bool = False,
        state_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(states)
        self.literal = literal
        if state_weights is not None and (len(state_weights) != len(self.states) or not min(state_weights) > 0):
            raise InputError(
                f"state_weights: expected {len(self.states)} positive numbers, one per state, "
                f"got {list(state_weights)}."
            )
        weights = None if state_weights is None else torch.tensor(state_weights, dtype=torch.float32)
        self.register_buffer("state_weights", weights, persistent=False)

    def of_states(self, logits: Tensor, numbers: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        loss = -self.log_probability(logits, numbers)
        if self.literal:
            loss = loss * self.states.sum(dim=1)[numbers]
        if self.state_weights is None:
            return loss.mean()
        weights = self.state_weights.to(loss.dtype)[numbers]
        return (weights * loss).sum() / weights.sum()
