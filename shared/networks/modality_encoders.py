"""Run one encoder per modality on the samples that have the modality."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..errors import InputError
from .encoded_modalities import EncodedModalities, assign_slots, index_pairs
from .present_modalities import available_modalities, is_tracing_or_exporting, masked

__all__ = ["ModalityEncoders", "check_image"]


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

        slots, filled, all_filled = assign_slots(available, dense)
        joined = [torch.cat([of_modality[i] for of_modality in levels]) for i in range(len(levels[0]))]
        if self.shared is not None:
            joined += self.shared(torch.cat(channels))
        return EncodedModalities(joined, index_pairs(encoded), present, available, slots, filled, all_filled, dense)


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
