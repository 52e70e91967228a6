"""Give the memory of a tensor back while others still hold it."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["give_back"]


def give_back(tensor: Tensor) -> None:
    """Free the values of a tensor, and those of the batch that it is a view of; other views keep theirs.

    An engine holds image, masks and logits until the case is done, long after the last transform has read them.

    Args:
        tensor: is empty afterwards, (0,), for everybody who holds it; a `MetaTensor` keeps its metadata.
    """
    for holder in (tensor, tensor._base):
        if holder is not None:
            holder.data = torch.empty(0, dtype=holder.dtype, device=holder.device)
