"""Segment an image with every subset of its modalities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from ..data import NOT_RUN, modality_subsets

__all__ = ["ModalitySubsetsInferer"]


class ModalitySubsetsInferer(Inferer):
    """Run another inferer once per non-empty subset of the modalities, all others hidden (NaN).

    An image is read and normalised once for all subsets; of every prediction only the class map is kept. A subset that
    needs a modality which an image lacks is not run: its map is `NOT_RUN` everywhere.

    Args:
        inferer: gives logits (B, C, *spatial), of classes that exclude one another.
    """

    def __init__(self, inferer: Inferer) -> None:
        super().__init__()
        self.inferer = inferer

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Segment images (B, M, *spatial) in which an absent modality is a channel with NaN.

        Returns:
            (B, 2^M - 1, *spatial), uint8: class maps in the order of `modality_subsets`, with the images' metadata.
        """
        images = convert_to_tensor(inputs, track_meta=False)
        present = ~images.isnan().flatten(2).any(dim=-1)  # (B, M)
        subsets = torch.tensor(modality_subsets(images.shape[1]), device=images.device)  # (S, M)
        maps = images.new_full((len(images), len(subsets), *images.shape[2:]), NOT_RUN, dtype=torch.uint8)
        for place, subset in enumerate(subsets):
            has_all = present[:, subset].all(dim=1)
            if has_all.any():
                hidden = images[has_all]  # a copy
                hidden[:, ~subset] = torch.nan
                logits = self.inferer(hidden, network, *args, **kwargs)
                maps[has_all, place] = logits.argmax(dim=1).to(maps)
        return convert_to_dst_type(maps, inputs, dtype=torch.uint8)[0]
