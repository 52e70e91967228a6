"""Mask loss on a hierarchy of labels: sigmoid cross-entropy of every label."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from .hierarchy_loss import HierarchyLoss

__all__ = ["HierarchicalMaskLoss"]


class HierarchicalMaskLoss(HierarchyLoss):
    r"""Segmentation loss L_s, Eq. 6 of BenTaieb and Hamarneh 2017 without its uncertainty, mean over pixels.

    .. math:: L_s = -\frac{1}{|\Omega|} \sum_p \sum_r S_p^r \log \sigma(f_p^r) + (1 - S_p^r) \log(1 - \sigma(f_p^r))

    Eq. 6 prints the positive term only. That one is smallest where all logits are infinite, whatever the label; the
    text's "sigmoid cross entropy loss" has both. The labels are independent here: the hierarchy only says which of
    them a state has (a lumen pixel is a target of epithelium, too).

    Args:
        states: see `HierarchyLoss`; by default those of the gland hierarchy.
    """

    def of_states(self, logits: Tensor, numbers: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        labels = self.states.to(logits.dtype)[numbers].movedim(-1, 1)
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(dim=1).mean()
