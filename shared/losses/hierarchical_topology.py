"""The hierarchy as a hard constraint: cross-entropy over the valid combinations of labels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

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
    """

    def __init__(self, states: Tensor | Sequence[Sequence[int]] | None = None, literal: bool = False) -> None:
        super().__init__(states)
        self.literal = literal

    def of_states(self, logits: Tensor, numbers: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        loss = -self.log_probability(logits, numbers)
        if self.literal:
            loss = loss * self.states.sum(dim=1)[numbers]
        return loss.mean()
