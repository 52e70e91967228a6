"""Fuzzy labels of thin structures: which voxels their neighbours vote away, and how to keep them."""

from __future__ import annotations

from torch import Tensor

__all__ = ["LABELLED_AT_LEAST", "flipped_share", "keep_argmax"]

LABELLED_AT_LEAST = 0.5 + 1e-3  # a membership above one half is greater than all others together


def _check_same_shape(onehot: Tensor, memberships: Tensor) -> None:
    if onehot.shape != memberships.shape:
        raise ValueError(f"shapes differ: onehot {tuple(onehot.shape)}, memberships {tuple(memberships.shape)}")


def keep_argmax(onehot: Tensor, memberships: Tensor) -> Tensor:
    """Raise the labelled class to `LABELLED_AT_LEAST`, so that thin structures are not voted away; not in the paper.

    In a structure of one or two voxels' width most neighbours belong to another class, and the memberships point to it.

    Args:
        onehot: (B, C, *spatial), zeros and ones, one class per voxel.
        memberships: `fuzzy_membership` of it.

    Returns:
        Memberships that still sum to one: the other classes keep their proportions. Voxels whose labelled class is
        above the bound already are left as they are.
    """
    _check_same_shape(onehot, memberships)
    labelled = (memberships * onehot).sum(dim=1, keepdim=True)
    others = memberships * ((1 - LABELLED_AT_LEAST) / (1 - labelled))
    raised = others.masked_fill(onehot.bool(), LABELLED_AT_LEAST)
    return memberships.where(labelled >= LABELLED_AT_LEAST, raised)


def flipped_share(onehot: Tensor, memberships: Tensor) -> Tensor:
    """Share of each class's voxels in which another class has the greater membership.

    Args:
        onehot: (B, C, *spatial), zeros and ones, one class per voxel.
        memberships: (B, C, *spatial).

    Returns:
        (C,), over all voxels of the batch; NaN for a class that has none.
    """
    _check_same_shape(onehot, memberships)
    labelled = (memberships * onehot).sum(dim=1, keepdim=True)
    flipped = memberships.amax(dim=1, keepdim=True) > labelled
    belongs = onehot.bool().transpose(0, 1).flatten(1)
    flipped = flipped.transpose(0, 1).flatten(1)
    return (belongs & flipped).sum(dim=1) / belongs.sum(dim=1)
