"""Feature maps of a batch whose samples have different modalities, and how they are laid out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .present_modalities import masked

__all__ = [
    "EncodedModalities",
    "all_modalities",
    "assign_slots",
    "at_modalities",
    "available_rows",
    "index_pairs",
    "pack",
    "restrict",
]


class EncodedModalities(NamedTuple):
    """Feature maps of the P (sample, modality) pairs of a batch that were encoded, modality by modality.

    A fusion reads them in K slots per sample, where K is the largest number of available modalities in the batch. The
    available modalities of a sample come first, in their order; its other slots are not filled.

    Attributes:
        levels: per level (P, C, *spatial), in the encoders' order, the finest first.
        pair_index: integer (B, M), which of the P pairs is modality m of sample b; anything where it was not encoded.
        present: boolean (B, M), the image has the modality.
        available: boolean (B, M), present and kept.
        slots: integer (B, K), the modality in every slot.
        filled: boolean (B, K), that modality is available.
        all_filled: every slot is filled.
        dense: all pairs were encoded, whether available or not.
    """

    levels: list[Tensor]
    pair_index: Tensor
    present: Tensor
    available: Tensor
    slots: Tensor
    filled: Tensor
    all_filled: bool
    dense: bool


def pack(pairs: Tensor, encoded: EncodedModalities) -> Tensor:
    """Lay pairs (P, C, *spatial) out in slots (B, K, C, *spatial), zero in slots that are not filled."""
    batch, slots = encoded.filled.shape
    if encoded.all_filled and batch == 1 and pairs.shape[0] == slots:  # they are in their slots already
        return pairs.unsqueeze(0)
    pairs = pairs.index_select(0, encoded.pair_index.gather(1, encoded.slots).flatten())
    packed = pairs.unflatten(0, [batch, slots])
    return packed if encoded.all_filled else masked(packed, encoded.filled)


def all_modalities(pairs: Tensor, encoded: EncodedModalities, among: Tensor | None = None) -> Tensor:
    """Lay pairs (P, C, *spatial) out as (B, M, C, *spatial), zero where a modality is not present.

    With `among`, boolean (B, M), zero where that is False.
    """
    batch, modalities = encoded.pair_index.shape
    if among is None and not encoded.dense and pairs.shape[0] == batch * modalities:  # all are present
        return pairs.unflatten(0, [modalities, batch]).transpose(0, 1)
    pairs = pairs.index_select(0, encoded.pair_index.flatten())
    return masked(pairs.unflatten(0, [batch, modalities]), encoded.present if among is None else among)


def at_modalities(values: Tensor, encoded: EncodedModalities) -> Tensor:
    """Move values (B, K, n) from slots to modalities, (B, M, n), zero where not available."""
    zeros = values.new_zeros(encoded.available.shape + values.shape[2:])
    return zeros.scatter(1, encoded.slots.unsqueeze(2).expand_as(values), values)


def restrict(encoded: EncodedModalities, chosen: Tensor) -> EncodedModalities:
    """Keep the feature maps of chosen pairs only, boolean (B, M), all of them encoded. The dense form keeps all."""
    if encoded.dense:
        return encoded
    pairs = encoded.pair_index.t().masked_select(chosen.t())
    if pairs.shape[0] == encoded.levels[0].shape[0]:
        return encoded
    levels = [level.index_select(0, pairs) for level in encoded.levels]
    indices, present, available = index_pairs(chosen), encoded.present, encoded.available
    return EncodedModalities(
        levels, indices, present, available, encoded.slots, encoded.filled, encoded.all_filled, encoded.dense
    )


def available_rows(encoded: EncodedModalities, modality: int) -> Tensor:
    """Return which samples have the modality available, integer (n,); all of them in the dense form."""
    available = encoded.available[:, modality]
    if encoded.dense:
        return torch.arange(available.shape[0], device=available.device)
    return available.nonzero().flatten()


def index_pairs(pairs: Tensor) -> Tensor:
    """Return the `pair_index` (B, M) of encoded pairs, boolean (B, M): from 0 on, modality by modality."""
    return (pairs.t().flatten().long().cumsum(0) - 1).clamp(min=0).view(pairs.shape[1], -1).t()


def assign_slots(available: Tensor, dense: bool) -> tuple[Tensor, Tensor, bool]:
    """Return `slots`, `filled` and `all_filled`; in the dense form every modality has a slot."""
    batch, modalities = available.shape
    if dense:
        return torch.arange(modalities, device=available.device).expand(batch, -1), available, False
    counts: list[int] = available.sum(dim=1).tolist()
    order = available.int().sort(dim=1, descending=True, stable=True).indices[:, : max(counts)]
    return order, available.gather(1, order), min(counts) == max(counts)
