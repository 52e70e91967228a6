"""Interface of a loss with several named terms, for the log to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

__all__ = ["CompletionLoss", "LossWithTerms", "Total"]


class Total(nn.Module):
    """The last step of a loss: choose `total` among its terms.

    A module of its own, because a forward pre-hook on it sees all terms of the training's own forward pass, also where
    the loss is wrapped in DistributedDataParallel (`shared.handlers.TrainingLog`).
    """

    def forward(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Return `terms["total"]`."""
        return terms["total"]


class LossWithTerms(Protocol):
    """A loss whose `forward` is `self.total(...)` of its named terms.

    `terms` returns scalars by name, among them `total`, the value of the loss; a NaN is a term that this batch
    does not have.
    """

    total: Total

    def __call__(self, prediction: Any, target: Any) -> Tensor:
        """Return the value of the loss."""

    def terms(self, prediction: Any, target: Any) -> dict[str, Tensor]:
        """Return the terms by name, and `total`."""


class CompletionLoss(Protocol):
    """A loss of what a network returns in training next to its segmentation, such as restored modalities.

    `terms` returns scalars by name, among them `completion`, the value of the loss, weighted.
    """

    def terms(self, prediction: Any, target: Any) -> dict[str, Tensor]:
        """Return the terms by name, and `completion`."""
