"""Geometry loss: neighbours of one label should be equally sure of it."""

from __future__ import annotations

from torch import Tensor

from .hierarchy_loss import HierarchyLoss

__all__ = ["GeometryLoss"]


class GeometryLoss(HierarchyLoss):
    r"""Geometry loss L_g, Eq. 9 of BenTaieb and Hamarneh 2017 without its uncertainty, mean over pixels.

    .. math:: L_g = \frac{1}{|\Omega|} \sum_p \sum_{q \in N_p} B_{pq} \, |\log P_t(S_p) - \log P_t(S_q)|

    N_p are the neighbours along the axes (four in 2D, six in 3D; fewer at the image's border); B is one where both
    pixels have the same state, else zero. The sum takes every pair from both sides. Eq. 9 also sums over the labels of
    p, whose P_t are the same (see `HierarchicalTopologyLoss`): a pair counts once here. The text speaks of
    "log-sigmoid" probabilities, the equation has P_t, and so does this.

    Alone it is smallest for any constant output.

    Args:
        states: see `HierarchyLoss`; by default those of the gland hierarchy.
    """

    def of_states(self, logits: Tensor, numbers: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        log_probability = self.log_probability(logits, numbers)
        differences = logits.new_zeros(())
        for axis in range(1, numbers.ndim):
            same_state = numbers.diff(dim=axis) == 0
            differences = differences + (log_probability.diff(dim=axis).abs() * same_state).sum()
        return 2 * differences / numbers.numel()
