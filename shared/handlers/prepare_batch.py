"""Hand the loss more than a label."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.engines import PrepareBatch
from torch import Tensor

__all__ = ["PrepareBatchTargets"]


class PrepareBatchTargets(PrepareBatch):
    """Give the network the image, and the loss a dictionary of targets.

    Args:
        target_keys: items of the batch that the loss reads, e.g. ``["label", "memberships"]``.
    """

    def __init__(self, target_keys: Sequence[str]) -> None:
        self.target_keys = tuple(target_keys)

    def __call__(
        self,
        batchdata: dict[str, Tensor],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: object,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return (image, targets), moved to `device`; `kwargs` go to `Tensor.to`."""

        def moved(item: Tensor) -> Tensor:
            return item.to(device=device, non_blocking=non_blocking, **kwargs)

        return moved(batchdata["image"]), {key: moved(batchdata[key]) for key in self.target_keys}
