"""The fuzzy auxiliary loss on labels that contain or exclude one another, or on a single mask."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..transforms.fuzzy_membership import fuzzy_membership
from ..transforms.label_hierarchy import state_log_probabilities
from ..transforms.onehot_label import onehot_label
from .fuzzy_auxiliary import FuzzyAuxiliaryLoss
from .fuzzy_weight import WithFuzzyWeight
from .hierarchy_loss import HierarchyLoss

__all__ = ["HierarchicalFuzzyLoss"]


class HierarchicalFuzzyLoss(WithFuzzyWeight, HierarchyLoss):
    r"""Fuzzy auxiliary loss on the valid states of labels, with its weight.

    .. math:: \lambda(t) \, L_{fuzzy}(P_t, \mu)

    The second term of Eq. 9 of "Pareto-Guided Optimization for Uncertainty-Aware Medical Image Segmentation" (2026),
    for networks without a softmax: P_t are the probabilities of the states (`state_log_probabilities`), and mu_s is the
    share of a pixel's neighbours in state s, those of the patch where it ends. The states [[0], [1]] are those of one
    mask with logit z: P_t is then (1 - sigmoid(z), sigmoid(z)).

    Args:
        fuzzy_loss: L_fuzzy.
        states: see `HierarchyLoss`; by default those of the gland hierarchy.
        fuzzy_weight: lambda, until `set_fuzzy_weight` changes it; it is in the state dict, as is rho.
        radius: of the neighbourhood, in pixels.
    """

    def __init__(
        self,
        fuzzy_loss: FuzzyAuxiliaryLoss,
        states: Tensor | Sequence[Sequence[int]] | None = None,
        fuzzy_weight: float = 1.0,
        radius: int = 1,
    ) -> None:
        super().__init__(states)
        if not isinstance(radius, int) or radius < 1:
            raise ValueError(f"radius must be a whole number of pixels, at least 1, got {radius}.")
        self.fuzzy_loss = fuzzy_loss
        self.radius = radius
        self.add_fuzzy_weight(fuzzy_weight)

    def scalars(self) -> dict[str, Tensor]:
        """Return what is learned or changes over the training, for logging."""
        return {
            "rho_1": self.fuzzy_loss.rho_1,
            "rho_2": self.fuzzy_loss.rho_2,
            "fuzzy_weight": self.fuzzy_weight.clone(),
        }

    def of_states(self, logits: Tensor, numbers: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        memberships = fuzzy_membership(onehot_label(numbers.unsqueeze(1), len(self.states)), self.radius)
        return self.fuzzy_weight * self.fuzzy_loss(state_log_probabilities(logits, self.states), memberships)
