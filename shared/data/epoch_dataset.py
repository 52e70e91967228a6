"""A cached training set whose random transforms depend on nothing but the seed, the epoch and the index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from monai.transforms import Compose
from monai.utils import MAX_SEED

from .case_cache import CaseCache

__all__ = ["EpochDataset"]


class EpochDataset(CaseCache):
    """`CaseCache` that draws the same crops and flips whenever (seed, epoch, index) are the same.

    Whatever was drawn before, in whichever worker process, has no influence; so a training that was killed and resumed
    sees what an unbroken one would have seen. `shared.handlers.EpochSeed` sets `epoch` before the loader starts its
    workers; with `persistent_workers=True` they would keep the first epoch.

    Args:
        data: case items.
        transform: deterministic transforms (cached), then random ones, in a `Compose`.
        seed: any non-negative number.
        cache_rate: share of the cases that is kept in memory after the deterministic transforms.
        num_workers: threads that fill the cache.
        needed: False where an empty part is no fault.
    """

    def __init__(
        self,
        data: Sequence,
        transform: Sequence[Callable] | Callable,
        seed: int,
        cache_rate: float = 1.0,
        num_workers: int | None = 1,
        needed: bool = True,
    ) -> None:
        self.seed = seed
        self.epoch = 0
        transform = transform if isinstance(transform, Compose) else Compose(transform)
        super().__init__(data, transform, cache_rate=cache_rate, num_workers=num_workers, needed=needed)

    def _transform(self, index: int) -> Any:
        self._seed_transforms(index)
        return super()._transform(index)

    def _seed_transforms(self, index: int) -> None:
        drawn = np.random.SeedSequence([self.seed, self.epoch, index % len(self)]).generate_state(1)[0]
        self.transform.set_random_state(seed=int(drawn) % MAX_SEED)
