"""Which modalities an image has: the one place that reads the mark of an absent modality, NaN."""

from __future__ import annotations

from torch import Tensor

__all__ = ["present_modalities"]


def present_modalities(image: Tensor) -> Tensor:
    """Return which modalities are present, boolean (B, M).

    Args:
        image: (B, M, *spatial); a modality with any NaN is absent.
    """
    return ~image.isnan().flatten(2).any(dim=-1)
