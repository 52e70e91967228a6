"""Hand the loss more than a label, and the network more than an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.engines import PrepareBatch
from torch import Tensor

__all__ = ["PrepareBatchTargets"]


class PrepareBatchTargets(PrepareBatch):
    """Give the network the image and what else it takes, and the loss a dictionary of targets.

    Args:
        target_keys: items of the batch that the loss reads, e.g. ``["label", "memberships"]``.
        input_keys: further items for the network, as positional arguments after the image, e.g. ``["keep"]``.
    """

    def __init__(self, target_keys: Sequence[str], input_keys: Sequence[str] = ()) -> None:
        self.target_keys = tuple(target_keys)
        self.input_keys = tuple(input_keys)

    def __call__(
        self,
        batchdata: dict[str, Tensor],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: object,
    ) -> tuple[Tensor, dict[str, Tensor], tuple[Tensor, ...], dict[str, Tensor]]:
        """Return (image, targets, further inputs, {}), moved to `device`; `kwargs` go to `Tensor.to`."""

        def moved(item: Tensor) -> Tensor:
            return item.to(device=device, non_blocking=non_blocking, **kwargs)

        targets = {key: moved(batchdata[key]) for key in self.target_keys}
        return moved(batchdata["image"]), targets, tuple(moved(batchdata[key]) for key in self.input_keys), {}
