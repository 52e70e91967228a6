"""What the losses on one lesion mask have in common."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import InputError

__all__ = ["LesionMaskLoss"]


class LesionMaskLoss(nn.Module):
    """Base of the losses on the logit of one mask; float32 under autocast as well.

    Subclasses define `of_probability(probability, mask)`, both (B, 1, H, W) and at least float32.
    """

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            logits: (B, 1, H, W).
            label: same shape, 1 in the lesion and 0 elsewhere, in any type; all 0 in an image without a lesion.

        Raises:
            InputError: the label holds another value.
        """
        if logits.ndim != 4 or logits.shape[1] != 1 or label.shape != logits.shape:
            shapes = f"{tuple(logits.shape)} and {tuple(label.shape)}"
            raise ValueError(f"logits and label must both be (B, 1, H, W), got {shapes}.")
        with torch.autocast(logits.device.type, enabled=False):
            logits = logits.as_subclass(Tensor).to(torch.promote_types(logits.dtype, torch.float32))
            label = label.as_subclass(Tensor)
            other = label[(label != 0) & (label != 1)]
            if len(other):
                values = ", ".join(f"{value:g}" for value in other.unique()[:5].tolist())
                raise InputError(f"label: a lesion's mask holds 0 and 1 only, got {values} too; threshold it first.")
            return self.of_probability(logits.sigmoid(), label.to(logits.dtype))

    def of_probability(self, probability: Tensor, mask: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        raise NotImplementedError
