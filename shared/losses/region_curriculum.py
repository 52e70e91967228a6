"""Region-wise curriculum: certain voxels are learned first, uncertain ones come in over the training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import InputError

__all__ = ["RegionCurriculum", "region_curriculum_weights", "weighted_mean"]

SOURCES = ("label", "prediction")


def region_curriculum_weights(uncertainty: Tensor, admitted: float | Tensor, width: float) -> Tensor:
    r"""Weight of every voxel while uncertainty up to `admitted` is let in.

    .. math:: w = \mathrm{clip}\left(\frac{a - u}{\delta} + 1, 0, 1\right)

    with uncertainty u, admitted uncertainty a and width delta. The weight is 1 for u up to a, falls, and is 0 from u =
    a + delta on. At a = 1 every weight is exactly 1.

    Args:
        uncertainty: in [0, 1], any shape.
        admitted: a, in [0, 1].
        width: delta, above 0.

    Returns:
        The same shape, in [0, 1].

    Example:
        >>> region_curriculum_weights(torch.tensor([0.0, 0.25, 0.5, 1.0]), admitted=0.0, width=0.5)
        tensor([1.0000, 0.5000, 0.0000, 0.0000])
    """
    return ((admitted - uncertainty) / width + 1).clamp(0, 1)


def weighted_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of what every voxel has, sum(w v) / sum(w) over the whole batch; 0 where all weights are 0.

    Args:
        values: (B, *spatial).
        weights: (B, 1, *spatial), at least 0; None for the plain mean.

    Returns:
        A scalar.
    """
    if weights is None:
        return values.mean()
    total = weights.sum()
    return (weights.squeeze(1) * values).sum() / total.clamp(min=torch.finfo(total.dtype).tiny)


class RegionCurriculum(nn.Module):
    """Voxel weights that rise from certain to uncertain regions.

    "Pareto-Guided Optimization for Uncertainty-Aware Medical Image Segmentation" (2026) promises, in its abstract and
    in Sec. 1, a strategy that learns from certain regions first and gradually takes in uncertain ones; none of its
    equations does that, and its one schedule is lambda(t). The form here (`region_curriculum_weights`, means weighted
    by it, and Dice sums) is this collection's, not the paper's. Uncertainty is one of

    - "label": 1 - mu_y, the share of a voxel's neighbours that belong to another class than itself (Eq. 4);
    - "prediction": 1 - max_c p_c of the network as it is now, the paper's uncertainty map, without gradient.

    A class that is uncertain everywhere, such as a thin rim by its label, is left out at first, and the network learns
    that it is nowhere.

    MONAI's `ParamSchedulerHandler` sets the admitted uncertainty, with `set_admitted_uncertainty` and
    `shared.handlers.LinearRamp`; it is in the state dict.

    Args:
        source: "label" or "prediction".
        width: of the transition from all to none, in uncertainty, above 0.
        admitted_uncertainty: in [0, 1], until it is set; with 1 all voxels count alike.
    """

    def __init__(self, source: str = "label", width: float = 0.5, admitted_uncertainty: float = 0.0) -> None:
        super().__init__()
        if source not in SOURCES:
            raise InputError(f"curriculum source {source!r} is unknown; choose {' or '.join(SOURCES)}.")
        if not width > 0:
            raise InputError(f"curriculum width must be above 0, got {width}.")
        self.source = source
        self.width = width
        self.register_buffer("admitted_uncertainty", torch.zeros(()))
        self.set_admitted_uncertainty(admitted_uncertainty)

    def set_admitted_uncertainty(self, value: float) -> None:
        """Set what is let in, in [0, 1]."""
        if not 0 <= value <= 1:
            raise ValueError(f"admitted_uncertainty must be in [0, 1], got {value}.")
        self.admitted_uncertainty.fill_(value)

    def forward(self, logits: Tensor, onehot: Tensor, memberships: Tensor) -> Tensor:
        """Return the weights (B, 1, *spatial), in [0, 1], without gradient.

        Args:
            logits: (B, C, *spatial).
            onehot: the label, same shape, zeros and ones.
            memberships: of the label, same shape, summing to one over C.

        Raises:
            InputError: a network that is still unsure everywhere would find no voxel to learn from.
        """
        if self.source == "label":
            certainty = (memberships * onehot).sum(dim=1, keepdim=True)
        else:
            self._require_a_beginning(logits.shape[1])
            certainty = logits.detach().softmax(dim=1).amax(dim=1, keepdim=True)
        return region_curriculum_weights(1 - certainty, self.admitted_uncertainty, self.width)

    def _require_a_beginning(self, num_classes: int) -> None:
        unsure = 1 - 1 / num_classes
        if self.admitted_uncertainty + self.width <= unsure:
            raise InputError(
                f"curriculum: an untrained network is {unsure:.2f} uncertain of every voxel, and none would count with "
                f"uncertainty up to {self.admitted_uncertainty:.2f} and width {self.width}; begin above "
                f"{unsure - self.width:.2f}."
            )
