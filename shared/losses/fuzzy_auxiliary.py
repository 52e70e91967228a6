"""Fuzzy auxiliary loss: cross-entropy with memberships, and with non-memberships."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .region_curriculum import weighted_mean

__all__ = ["FuzzyAuxiliaryLoss", "fuzzy_auxiliary_terms"]

CONFIDENT = 0.75  # any bound from 1/2 (one class at most is above it) to well below 1 (rounding of 1 - p)


def fuzzy_auxiliary_terms(logits: Tensor, memberships: Tensor) -> tuple[Tensor, Tensor]:
    r"""Two sums over classes that the fuzzy auxiliary loss is made of, at every voxel.

    .. math:: -\sum_c \mu_c \log p_c \qquad\text{and}\qquad -\sum_c (1 - \mu_c) \log(1 - p_c), \qquad p = softmax(z)

    The sums of Eq. 6 of "Pareto-Guided Optimization for Uncertainty-Aware Medical Image Segmentation" (2026), with the
    minus that the paper's derivatives (Eqs. 7, 8) imply, the second with rho_1 = rho_2 = 1. Both, and their gradients,
    are finite for logits of any size: where p_c is near one, 1 - p_c is summed from the other classes.

    Args:
        logits: z, (B, C, *spatial), at least two classes.
        memberships: mu, same shape, in [0, 1] and summing to one over C.

    Returns:
        Soft cross-entropy and non-membership term, each (B, *spatial) and at least float32.

    Example:
        >>> certain, unsure = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> fuzzy_auxiliary_terms(unsure, certain)
        (tensor([0.6931]), tensor([0.6931]))
    """
    if logits.shape != memberships.shape:
        raise ValueError(f"shapes differ: logits {tuple(logits.shape)}, memberships {tuple(memberships.shape)}")
    if logits.shape[1] < 2:
        raise ValueError(f"logits must have at least two classes (softmax), got shape {tuple(logits.shape)}")
    precision = torch.promote_types(logits.dtype, torch.float32)
    logits = logits.as_subclass(Tensor).to(precision)
    memberships = memberships.as_subclass(Tensor).to(precision)

    log_p = logits.log_softmax(dim=1)
    soft_cross_entropy = -(memberships * log_p).sum(dim=1)

    p = log_p.exp()
    confident = p > CONFIDENT
    non_memberships = 1 - memberships
    others = log_p.masked_fill(confident, float("-inf")).logsumexp(dim=1)  # 0 where no class is confident
    of_unsure = (non_memberships * torch.log1p(-p.masked_fill(confident, 0.0))).sum(dim=1)
    of_confident = (non_memberships * confident).sum(dim=1) * others
    return soft_cross_entropy, -(of_unsure + of_confident)


class FuzzyAuxiliaryLoss(nn.Module):
    r"""Fuzzy auxiliary loss, Eq. 6 of "Pareto-Guided Optimization ..." (2026), mean over voxels and batch.

    .. math:: L_{fuzzy} = -\sum_c \left[ \mu_c \log p_c + \rho_2 (1 - \mu_c) \log(\rho_1 (1 - p_c)) \right]

    Memberships sum to one, so that sum_c (1 - mu_c) = C - 1, and the loss is exactly

        soft cross-entropy + rho_2 (non-membership term - (C - 1) log rho_1)

    with the terms of `fuzzy_auxiliary_terms`. Written so it is plain that rho_1 adds a constant: unlike what the paper
    says, it does not act on the logits. Both gradients have one sign whatever the data (Eq. 8): learnable rho_1 rises
    to one, rho_2 falls to zero. The optimiser should hold the two in a group of their own, without weight decay.

    Args:
        rho_1: initial or fixed value; in (0, 1) if learnable, else in (0, 1].
        rho_2: initial or fixed value; in (0, 1) if learnable, else in [0, 1].
        learnable: train rho = sigmoid(raw), `raw_rho_1` and `raw_rho_2`; else keep the values as buffers.
    """

    def __init__(self, rho_1: float = 0.5, rho_2: float = 0.5, learnable: bool = True) -> None:
        super().__init__()
        self.learnable = learnable
        if learnable:
            for name, rho in (("rho_1", rho_1), ("rho_2", rho_2)):
                if not 0 < rho < 1:
                    raise ValueError(f"{name} must be in (0, 1) if learnable (it is a sigmoid), got {rho}.")
                self.register_parameter(f"raw_{name}", nn.Parameter(torch.tensor(math.log(rho) - math.log1p(-rho))))
        else:
            if not 0 < rho_1 <= 1:
                raise ValueError(f"rho_1 must be in (0, 1], got {rho_1}.")
            if not 0 <= rho_2 <= 1:
                raise ValueError(f"rho_2 must be in [0, 1], got {rho_2}.")
            self.register_buffer("fixed_rho_1", torch.tensor(float(rho_1)))
            self.register_buffer("fixed_rho_2", torch.tensor(float(rho_2)))

    @property
    def rho_1(self) -> Tensor:
        """Attenuation of 1 - p in the non-membership term, a scalar."""
        return self.raw_rho_1.sigmoid() if self.learnable else self.fixed_rho_1

    @property
    def rho_2(self) -> Tensor:
        """Credibility of the fuzzy label, weight of the non-membership term, a scalar."""
        return self.raw_rho_2.sigmoid() if self.learnable else self.fixed_rho_2

    def terms(self, logits: Tensor, memberships: Tensor, weights: Tensor | None = None) -> dict[str, Tensor]:
        """Return the loss `fuzzy` and what it is made of, scalars; `non_membership` is not weighted by rho_2."""
        terms = fuzzy_auxiliary_terms(logits, memberships)
        soft_cross_entropy, non_membership = (weighted_mean(term, weights) for term in terms)
        attenuation = (logits.shape[1] - 1) * self.rho_1.log()
        return {
            "soft_cross_entropy": soft_cross_entropy,
            "non_membership": non_membership,
            "fuzzy": soft_cross_entropy + self.rho_2 * (non_membership - attenuation),
            "rho_1": self.rho_1,
            "rho_2": self.rho_2,
        }

    def forward(self, logits: Tensor, memberships: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar.

        Args:
            logits: (B, C, *spatial).
            memberships: same shape, summing to one over C.
            weights: of the voxels in the mean, (B, 1, *spatial), at least 0; None where all count alike.
        """
        return self.terms(logits, memberships, weights)["fuzzy"]
