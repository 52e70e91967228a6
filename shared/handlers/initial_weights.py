"""Start a training from given weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events

from .weights_loader import WeightsLoader

__all__ = ["InitialWeights"]


class InitialWeights(WeightsLoader):
    """Load weights when a training starts, but not when it is resumed: then the checkpoint's weights count.

    Args:
        load_path: see `WeightsLoader`.
        network: see `WeightsLoader`.
        settings: see `WeightsLoader`.
        may_differ: see `WeightsLoader`.
        resume: whether the training goes on from a checkpoint.
    """

    remedy = "pretrain first, or name other weights with --init_path."

    def __init__(
        self,
        load_path: str,
        network: torch.nn.Module,
        settings: Mapping[str, Any] | None = None,
        may_differ: Sequence[str] | str = (),
        resume: bool = False,
    ) -> None:
        super().__init__(load_path, network, settings, may_differ)
        self.resume = resume

    def attach(self, engine: Engine) -> None:
        """Load when `engine` starts its first epoch of all."""
        if not self.resume:
            engine.add_event_handler(Events.STARTED, self)
