"""The subsets of its modalities with which a case can be segmented."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

__all__ = ["NOT_RUN", "modality_subsets", "subset_name"]

NOT_RUN = 255  # value all over a class map whose subset needs a modality that the case lacks


def modality_subsets(num_modalities: int) -> list[tuple[bool, ...]]:
    """List all non-empty subsets, 2^M - 1, in the order of Table 2 of PGO (arXiv 2601.19365, 2026).

    Single modalities come first and the full set last. Subsets of up to half of the modalities are in the order of
    those that are present (t1+t2, t1+t1ce, ...), larger ones in the order of those that are missing (without t1, ...).

    Returns:
        2^M - 1 tuples of M: True where the modality is used.
    """
    if num_modalities < 1:
        raise ValueError(f"num_modalities must be at least 1, got {num_modalities}.")
    subsets = []
    for used in range(1, num_modalities + 1):
        names_used = 2 * used <= num_modalities
        for named in combinations(range(num_modalities), used if names_used else num_modalities - used):
            subsets.append(tuple((place in named) == names_used for place in range(num_modalities)))
    return subsets


def subset_name(modalities: Sequence[str], subset: Sequence[bool]) -> str:
    """Name a subset by its modalities, such as "t1ce+flair"."""
    return "+".join(name for name, is_used in zip(modalities, subset, strict=True) if is_used)
