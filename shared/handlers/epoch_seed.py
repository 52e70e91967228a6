"""Make every epoch's randomness a function of the seed and the epoch's number."""

from __future__ import annotations

import numpy as np
import torch
from ignite.engine import Engine, Events

from ..data import EpochDataset

__all__ = ["EpochSeed"]


class EpochSeed:
    """Tell the training set which epoch it is, and seed PyTorch (dropout) from the seed and the epoch.

    With it a training that resumes at epoch k draws what an unbroken training draws from epoch k on. Shuffling is left
    to a `monai.data.DistributedSampler`, which MONAI's trainer tells the epoch in the same way.

    Args:
        dataset: the training set.
        seed: any non-negative number.
    """

    def __init__(self, dataset: EpochDataset, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def attach(self, engine: Engine) -> None:
        """Act at the start of every epoch of `engine`."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        self.dataset.epoch = engine.state.epoch
        drawn = np.random.SeedSequence([self.seed, engine.state.epoch, engine.state.rank]).generate_state(1)[0]
        torch.manual_seed(int(drawn))
