"""A training set that paints new cases in every epoch, alone or among real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import InputError
from .epoch_dataset import EpochDataset
from .painted_cases import Painter, painted_case

__all__ = ["PaintedEpochDataset"]


class PaintedEpochDataset(EpochDataset):
    """`EpochDataset` with painted cases that are seen once each: a function of the seed, the epoch and the index.

    With real cases an epoch shows every one of them once, and as many painted ones as make up their share. Painted
    cases are made by whoever asks for them (a worker process), go through all transforms, and are not kept.

    Args:
        data: real case items; not used where `painted_share` is 1.
        transform: see `EpochDataset`; its first step calls "painted" (`LoadImageModalitiesd`).
        seed: any non-negative number.
        painter: makes the tensors of a case from numbers.
        painted_share: share of the painted cases among those of an epoch, from 0 to 1.
        painted_per_epoch: painted cases of an epoch where `painted_share` is 1.
        cache_rate: share of the real cases that is kept in memory.
        num_workers: threads that fill the cache.

    Raises:
        InputError: painted cases are to be mixed with real ones, but there are none.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        transform: Sequence[Callable] | Callable,
        seed: int,
        painter: Painter,
        painted_share: float = 1.0,
        painted_per_epoch: int = 100,
        cache_rate: float = 1.0,
        num_workers: int | None = 1,
    ) -> None:
        if not 0 <= painted_share <= 1:
            raise InputError(f"painted_share: expected a number from 0 to 1, got {painted_share}.")
        alone = painted_share == 1
        real = [] if alone else list(data)
        if not alone and not real:
            raise InputError(
                f"painted_share {painted_share} mixes painted cases with real ones, but the train part has no real "
                "case; give them with --dataset_dir, or take --painted_share 1.0."
            )
        self.painter = painter
        super().__init__(real, transform, seed=seed, cache_rate=cache_rate, num_workers=num_workers, needed=not alone)
        painted = painted_per_epoch if alone else round(len(real) * painted_share / (1 - painted_share))
        self.num_real = len(real)
        self.data = [*real, *({"case": f"Painted_{index:05d}"} for index in range(painted))]

    def _transform(self, index: int) -> Any:
        index = range(len(self))[index]  # an index beyond ends an iteration
        if index < self.num_real:
            return super()._transform(index)
        self._seed_transforms(index)
        seed = (self.seed, self.epoch, index)
        return self.transform(painted_case(self.data[index]["case"], self.painter, seed))
