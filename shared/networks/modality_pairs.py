"""Which modalities of a batch are computed, and where their feature maps are found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..errors import InputError
from .present_modalities import available_modalities, is_tracing_or_exporting, masked

__all__ = [
    "EncodedModalities",
    "ModalityEncoders",
    "all_modalities",
    "available_rows",
    "check_image",
    "pack",
    "restrict",
]


class EncodedModalities(NamedTuple):
    """Feature maps of the P (sample, modality) pairs of a batch that were encoded, modality by modality.

    A fusion reads them in K slots per sample, where K is the largest number of available modalities in the batch: the
    available modalities of a sample come first, in their order; what is left over is not filled.

    Attributes:
        levels: per level (P, C, *spatial), in the encoders' order, the finest first.
        number: integer (B, M), which of the P pairs is modality m of sample b; any number where it was not encoded.
        present: boolean (B, M), the image has the modality.
        available: boolean (B, M), present and kept.
        slots: integer (B, K), the modality in every slot.
        filled: boolean (B, K), that modality is available.
        all_filled: every slot is.
        dense: all pairs were encoded, whether available or not.
    """

    levels: list[Tensor]
    number: Tensor
    present: Tensor
    available: Tensor
    slots: Tensor
    filled: Tensor
    all_filled: bool
    dense: bool


class ModalityEncoders(nn.Module):
    """One encoder per modality, run on those samples of a batch that have the modality.

    Args:
        encoders: one per modality, each from (n, 1, *spatial) to a list of feature maps, the finest first.
        stride: of the deepest feature map.
        encode_all_in_training: also encode modalities that are present but not kept, for losses on single modalities.
        dense: run every encoder on every sample and mask the result: the same numbers from a graph that does not
            depend on the data. Always so while tracing or exporting; `torch.jit.script` keeps the choice at run time.
        shared: one more encoder, the same for all modalities; its feature maps follow those of the others.
    """

    def __init__(
        self,
        encoders: Iterable[nn.Module],
        stride: int,
        encode_all_in_training: bool = True,
        dense: bool = False,
        shared: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.by_modality = nn.ModuleList(encoders)
        self.stride = stride
        self.encode_all_in_training = encode_all_in_training
        self.dense = dense
        self.shared = shared

    def forward(self, image: Tensor, keep: Tensor | None = None) -> EncodedModalities:
        """Encode images.

        Args:
            image: (B, M, *spatial), every axis a multiple of `stride`, twice as long or more; a modality with any NaN
                is absent.
            keep: boolean (B, M); modalities where it is False are not used. Without it all that are there are used.

        Raises:
            ValueError: another shape, or a sample without any modality (traced and exported: NaN).
        """
        if not torch.jit.is_scripting():
            check_image(image, len(self.by_modality), self.stride)
        present, available = available_modalities(image, keep)
        encoded = present if self.training and self.encode_all_in_training else available
        dense = self.dense
        if not torch.jit.is_scripting():
            dense = dense or is_tracing_or_exporting()
        if dense:
            image = masked(image, encoded)
            encoded = torch.ones_like(encoded)

        levels: list[list[Tensor]] = []
        channels: list[Tensor] = []
        for modality, encoder in enumerate(self.by_modality):
            channel = image[:, modality : modality + 1]
            if not dense:
                channel = channel.index_select(0, encoded[:, modality].nonzero().flatten())
            if channel.shape[0] > 0:
                levels.append(encoder(channel))
                channels.append(channel)

        slots, filled, all_filled = _slots(available, dense)
        joined = [torch.cat([of_modality[i] for of_modality in levels]) for i in range(len(levels[0]))]
        if self.shared is not None:
            joined += self.shared(torch.cat(channels))
        return EncodedModalities(joined, _numbers(encoded), present, available, slots, filled, all_filled, dense)


def check_image(image: Tensor, modalities: int, stride: int) -> None:
    """Refuse an image that a network cannot take: other channels, or an axis that its stride does not divide."""
    if is_tracing_or_exporting():
        return
    if image.ndim != 5 or image.shape[1] != modalities:
        raise InputError(
            f"image must be (B, {modalities}, H, W, D), got {tuple(image.shape)}; make the channels that the "
            "network takes (in_channels) and the modalities of the image (--modalities) agree."
        )
    if any(size % stride or size < 2 * stride for size in image.shape[2:]):
        raise InputError(
            f"image: every axis must be a multiple of {stride}, {2 * stride} or more, "
            f"got {tuple(image.shape[2:])}; choose another --patch_size, or pad."
        )


def pack(pairs: Tensor, encoded: EncodedModalities) -> Tensor:
    """Lay pairs (P, C, *spatial) out in slots (B, K, C, *spatial), zero in slots that are not filled."""
    batch, slots = encoded.filled.shape
    if encoded.all_filled and batch == 1 and pairs.shape[0] == slots:  # they are in their slots already
        return pairs.unsqueeze(0)
    pairs = pairs.index_select(0, encoded.number.gather(1, encoded.slots).flatten())
    packed = pairs.unflatten(0, [batch, slots])
    return packed if encoded.all_filled else masked(packed, encoded.filled)


def all_modalities(pairs: Tensor, encoded: EncodedModalities, among: Tensor | None = None) -> Tensor:
    """Lay pairs (P, C, *spatial) out as (B, M, C, *spatial), zero where a modality is not present.

    With `among`, boolean (B, M), zero where that is False.
    """
    batch, modalities = encoded.number.shape
    if among is None and not encoded.dense and pairs.shape[0] == batch * modalities:  # all are present
        return pairs.unflatten(0, [modalities, batch]).transpose(0, 1)
    pairs = pairs.index_select(0, encoded.number.flatten())
    return masked(pairs.unflatten(0, [batch, modalities]), encoded.present if among is None else among)


def restrict(encoded: EncodedModalities, chosen: Tensor) -> EncodedModalities:
    """Keep the feature maps of chosen pairs only, boolean (B, M), all of them encoded. The dense form keeps all."""
    if encoded.dense:
        return encoded
    pairs = encoded.number.t().masked_select(chosen.t())
    if pairs.shape[0] == encoded.levels[0].shape[0]:
        return encoded
    levels = [level.index_select(0, pairs) for level in encoded.levels]
    numbers, present, available = _numbers(chosen), encoded.present, encoded.available
    return EncodedModalities(
        levels, numbers, present, available, encoded.slots, encoded.filled, encoded.all_filled, encoded.dense
    )


def available_rows(encoded: EncodedModalities, modality: int) -> Tensor:
    """Return which samples have the modality available, integer (n,); all of them in the dense form."""
    available = encoded.available[:, modality]
    if encoded.dense:
        return torch.arange(available.shape[0], device=available.device)
    return available.nonzero().flatten()


def _numbers(pairs: Tensor) -> Tensor:
    """Number the True pairs (B, M), modality by modality, from 0; any number elsewhere."""
    return (pairs.t().flatten().long().cumsum(0) - 1).clamp(min=0).view(pairs.shape[1], -1).t()


def _slots(available: Tensor, dense: bool) -> tuple[Tensor, Tensor, bool]:
    """Return the modality in every slot, whether it is available, and whether all are; dense: a slot for each."""
    batch, modalities = available.shape
    if dense:
        return torch.arange(modalities, device=available.device).expand(batch, -1), available, False
    counts: list[int] = available.sum(dim=1).tolist()
    order = available.int().sort(dim=1, descending=True, stable=True).indices[:, : max(counts)]
    return order, available.gather(1, order), min(counts) == max(counts)
