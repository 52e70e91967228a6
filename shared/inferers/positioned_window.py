"""Sliding window that knows where in the brain each window is."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import torch
from torch import Tensor

from ..networks.m3ae import M3AE
from ..networks.unwrap import unwrap
from .lean_window_inferer import LeanWindowInferer

__all__ = ["PositionedWindowInferer"]


class PositionedWindowInferer(LeanWindowInferer):
    """`LeanWindowInferer` for all networks; `M3AE` is told how far each window is from the middle of the image.

    The image is a whole case on the network's grid, cropped to the brain. Mirrored images (`AveragedInferer`) are
    taken as they are: the learned image is not mirrored.
    """

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Predict images (B, M, *spatial); further arguments are the network's, as in MONAI."""
        bare = unwrap(network)
        if not isinstance(bare, M3AE):
            return super().__call__(inputs, network, *args, **kwargs)

        def of_windows(windows: Tensor, places: list[list[slice]]) -> Tensor:
            size = [max(length, edge) for length, edge in zip(inputs.shape[2:], windows.shape[2:], strict=True)]
            starts = torch.tensor([[place.start for place in of_window[2:]] for of_window in places])
            first_voxel = starts - (torch.tensor(size) - 1) / 2
            return network(windows, None, bare.learned_image.position(first_voxel.to(windows.device)))

        positioned = copy(self)
        positioned.with_coord = True
        return super(PositionedWindowInferer, positioned).__call__(inputs, of_windows, *args, **kwargs)
