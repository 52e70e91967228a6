"""Predict small images whole and large ones window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import torch
from monai.inferers import SlidingWindowInferer
from monai.utils import BlendMode, ensure_tuple_rep, fall_back_tuple
from torch import Tensor

__all__ = ["WholeOrWindowInferer"]


class WholeOrWindowInferer(SlidingWindowInferer):
    """Sliding window whose window is clipped to the image, axis by axis.

    MONAI's pads an image up to the window; what a network averages over space (the class head of `GlandUNet`) then
    counts the padding. Here an image that fits into the window goes through whole, and gives what the network alone
    would. A larger one is stitched from windows; a channel that is constant over a window then averages, over space,
    to the mean of the windows, by the area that is theirs.

    The window and what is stitched bound the memory. On a GPU, device="cpu" leaves the stitched output (output
    channels x 4 bytes per pixel, and 4 for the count) in the main memory.

    Args:
        roi_size: largest window; an axis that is not positive is never cut.
        sw_batch_size: windows at a time.
        overlap: share of the window, per axis or for all.
        mode: how overlapping windows are blended, "constant" or "gaussian".
        divisible_by: a window that is clipped is rounded up to a multiple of this, per axis or for all, and the image
            padded by less than that: for networks that do not take every size. roi_size is to be a multiple itself.
        sw_device: where windows are predicted, if not where the image is.
        device: where they are stitched, if not where the image is.
    """

    def __init__(
        self,
        roi_size: Sequence[int] | int,
        sw_batch_size: int = 1,
        overlap: Sequence[float] | float = 0.25,
        mode: BlendMode | str = BlendMode.CONSTANT,
        divisible_by: Sequence[int] | int = 1,
        sw_device: torch.device | str | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(roi_size, sw_batch_size, overlap, mode, sw_device=sw_device, device=device)
        self.divisible_by = divisible_by

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Predict images (B, M, *spatial), 2D or 3D; further arguments are the network's, as in MONAI."""
        size = inputs.shape[2:]
        divisors = ensure_tuple_rep(self.divisible_by, len(size))
        fitting = [-(-length // divisor) * divisor for length, divisor in zip(size, divisors, strict=True)]
        clipped = copy(self)
        clipped.roi_size = tuple(map(min, fall_back_tuple(self.roi_size, fitting), fitting))
        return super(WholeOrWindowInferer, clipped).__call__(inputs, network, *args, **kwargs)
