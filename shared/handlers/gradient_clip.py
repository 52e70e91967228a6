"""Limit the length of the gradient before every step."""

from __future__ import annotations

from ignite.engine import Engine
from monai.engines import IterationEvents
from torch.nn.utils import clip_grad_norm_

__all__ = ["GradientClip"]


class GradientClip:
    """Scale the gradient of the whole network down to a Euclidean norm of at most `max_norm`.

    With automatic mixed precision the gradient is unscaled first.

    Args:
        max_norm: infinity only unscales; None leaves the gradient alone.
    """

    def __init__(self, max_norm: float | None) -> None:
        if max_norm is not None and not max_norm > 0:
            raise ValueError(f"max_norm must be positive, got {max_norm}.")
        self.max_norm = max_norm

    def attach(self, engine: Engine) -> None:
        """Clip on `engine`, MONAI's `SupervisedTrainer`."""
        if self.max_norm is not None:
            engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Clip now."""
        if engine.scaler is not None:
            engine.scaler.unscale_(engine.optimizer)
        clip_grad_norm_(engine.network.parameters(), self.max_norm)
