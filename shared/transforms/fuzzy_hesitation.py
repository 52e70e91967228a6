"""Non-membership and hesitation, the other two parts of an intuitionistic fuzzy label."""

from __future__ import annotations

from torch import Tensor

__all__ = ["fuzzy_hesitation", "fuzzy_non_membership"]


def fuzzy_non_membership(memberships: Tensor, rho_2: float | Tensor) -> Tensor:
    """Degree to which a voxel does not belong to each class: nu = rho_2 (1 - mu).

    Eq. 5 of PGO (arXiv 2601.19365, 2026).

    Args:
        memberships: (B, C, *spatial) in [0, 1].
        rho_2: credibility of the fuzzy label, in [0, 1].
    """
    return _in_unit_interval(rho_2) * (1 - memberships)


def fuzzy_hesitation(memberships: Tensor, rho_2: float | Tensor) -> Tensor:
    """What neither belongs nor does not: pi = 1 - mu - nu = (1 - rho_2) (1 - mu), Eqs. 3 and 5 of the paper.

    The paper defines the hesitation, but no term of its loss uses it.

    Args:
        memberships: (B, C, *spatial) in [0, 1].
        rho_2: credibility of the fuzzy label, in [0, 1].
    """
    return (1 - _in_unit_interval(rho_2)) * (1 - memberships)


def _in_unit_interval(rho_2: float | Tensor) -> float | Tensor:
    if not 0 <= rho_2 <= 1:
        raise ValueError(f"rho_2 must be in [0, 1], got {float(rho_2)}.")
    return rho_2
