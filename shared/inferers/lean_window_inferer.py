"""Sliding window without a map of how many windows covered a voxel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import SlidingWindowInferer
from monai.utils import BlendMode, convert_to_dst_type, convert_to_tensor, fall_back_tuple
from torch import Tensor

__all__ = ["LeanWindowInferer"]


class LeanWindowInferer(SlidingWindowInferer):
    """MONAI's sliding window, with the same numbers and one volume less in memory.

    Windows and their order are MONAI's. Next to the output, MONAI keeps a map of how often each voxel was covered.
    Windows form a grid: the count is a product of one number per axis, and only these numbers are kept here. With mode
    "gaussian" the inferer is MONAI's own.

    Args:
        roi_size: window.
        sw_batch_size: windows at a time.
        overlap: share of the window, per axis or for all.
        mode: how overlapping windows are blended, "constant" or "gaussian".
    """

    def __init__(
        self,
        roi_size: Sequence[int] | int,
        sw_batch_size: int = 1,
        overlap: Sequence[float] | float = 0.25,
        mode: BlendMode | str = BlendMode.CONSTANT,
    ) -> None:
        super().__init__(roi_size, sw_batch_size, overlap, mode)

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Predict images (B, M, *spatial); further arguments are the network's. It returns one tensor."""
        if self.mode != BlendMode.CONSTANT:
            return super().__call__(inputs, network, *args, **kwargs)
        size = inputs.shape[2:]
        window = fall_back_tuple(self.roi_size, size)
        total = _Total([len(inputs), *map(max, size, window)], window)

        def predict(windows: Tensor, places: Sequence[Sequence[slice]], *more: Any, **settings: Any) -> Tensor:
            told = (places,) if self.with_coord else ()
            total.add(network(windows, *told, *more, **settings), places)
            return windows.new_zeros(len(windows), *[1] * (windows.ndim - 1))  # for MONAI to stitch

        plain = convert_to_tensor(inputs, track_meta=False)
        tiles = SlidingWindowInferer(window, self.sw_batch_size, self.overlap, with_coord=True)
        tiles(plain, predict, *args, **kwargs)
        mean = total.mean()
        for axis, (length, side) in enumerate(zip(size, window, strict=True), start=2):
            mean = mean.narrow(axis, max(0, side - length) // 2, length)  # MONAI pads both sides
        return convert_to_dst_type(mean, inputs, dtype=mean.dtype)[0]


class _Total:
    """Sum of windows that are added, and how many there are along each axis.

    Args:
        shape: (B, *spatial).
        window: its size.
    """

    def __init__(self, shape: Sequence[int], window: Sequence[int]) -> None:
        self.shape = tuple(shape)
        self.window = tuple(window)
        self.values: Tensor | None = None
        self.starts: list[set[int]] = [set() for _ in window]

    def add(self, parts: Tensor, places: Sequence[Sequence[slice]]) -> None:
        """Add parts (N, C, *window) at N places."""
        if not isinstance(parts, Tensor) or parts.shape[2:] != self.window:
            found = tuple(parts.shape) if isinstance(parts, Tensor) else type(parts).__name__
            raise ValueError(f"expected one tensor (B, C, *{self.window}) from the network, got {found}.")
        if self.values is None:
            batch, *spatial = self.shape
            self.values = torch.zeros(batch, parts.shape[1], *spatial, device=parts.device)
        for part, place in zip(parts, places, strict=True):
            self.values[tuple(place)] += part
            for starts, side in zip(self.starts, place[2:], strict=True):
                starts.add(side.start)

    def mean(self) -> Tensor:
        """Divide by how often each voxel was covered."""
        counts = []
        for length, side, starts in zip(self.shape[1:], self.window, self.starts, strict=True):
            count = torch.zeros(length)
            for start in starts:
                count[start : start + side] += 1
            counts.append(count)
        first, *others = counts
        plane = torch.ones(())
        for count in others:
            plane = plane[..., None] * count
        plane = plane.to(self.values.device)
        for row, count in enumerate(first.tolist()):
            self.values[:, :, row] /= count * plane
        return self.values
