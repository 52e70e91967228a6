"""Focal cross-entropy: hard images count more."""

from __future__ import annotations

import torch
from monai.losses import FocalLoss
from torch import Tensor, nn

from ..errors import InputError

__all__ = ["FocalCrossEntropyLoss"]


class FocalCrossEntropyLoss(nn.Module):
    r"""Focal cross-entropy of one class per image, mean over the batch.

    .. math:: L_{clf} = \frac{1}{B} \sum_b -(1 - p_b)^\gamma \log p_b

    with p_b the softmax probability of image b's class: Lin et al., "Focal Loss for Dense Object Detection" (2017), for
    K exclusive classes. MONAI's `FocalLoss`, whose own mean divides by K too. Computed in float32 under autocast.

    Args:
        gamma: exponent; at 0 it is cross-entropy.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        self.focal = FocalLoss(to_onehot_y=True, use_softmax=True, gamma=gamma, reduction="none")

    def forward(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            logits: (B, K), K two or more.
            classes: (B,), numbers from 0 to K - 1.

        Raises:
            InputError: a number outside of that.
        """
        if logits.ndim != 2 or logits.shape[1] < 2 or classes.shape != logits.shape[:1]:
            shapes = f"{tuple(logits.shape)} and {tuple(classes.shape)}"
            raise ValueError(f"logits must be (B, K) with two classes or more, and classes (B,), got {shapes}.")
        if ((classes < 0) | (classes >= logits.shape[1])).any():
            raise InputError(f"class: numbers must be 0 to {logits.shape[1] - 1}, got {classes.tolist()}.")
        with torch.autocast(logits.device.type, enabled=False):
            logits, classes = logits.as_subclass(Tensor).float(), classes.as_subclass(Tensor).long()
            return self.focal(logits, classes.unsqueeze(1)).sum(dim=1).mean()
