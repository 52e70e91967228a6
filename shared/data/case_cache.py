"""Cache of prepared cases in memory that says how much they take, and refuses to be empty."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from monai.data import CacheDataset

from ..errors import InputError
from .free_memory import free_memory_bytes, size_in_bytes

__all__ = ["CaseCache"]

MB, GB = 1e6, 1e9
INSTEAD = {
    "validation": ", or train without it (--val_interval above --max_epochs)",
    "test": ", or choose another --evaluate_part",
}


class CaseCache(CacheDataset):
    """`monai.data.CacheDataset` that logs how much memory it will take, and warns when there is less.

    The number is that of the first case times the number of cases; no other image is read for it.

    Args:
        data: case items.
        transform: deterministic transforms (cached), then random ones.
        cache_rate: share of the cases that is kept in memory after the deterministic transforms; 0 keeps none.
        num_workers: threads that fill the cache.
        part: name of the part of the split that the cases are, for messages.
        needed: False where an empty part is no fault.

    Raises:
        InputError: there is no case, although one is needed.
    """

    def __init__(
        self,
        data: Sequence,
        transform: Sequence[Callable] | Callable,
        cache_rate: float = 1.0,
        num_workers: int | None = 1,
        part: str = "train",
        needed: bool = True,
    ) -> None:
        if needed and not len(data):
            raise InputError(
                f"the {part} part has no case, so there is nothing to do; give it cases by the split's settings "
                f"(fractions, files or folds){INSTEAD.get(part, '')}."
            )
        self.part = part
        super().__init__(data, transform, cache_rate=cache_rate, num_workers=num_workers, progress=False)

    def _fill_cache(self, indices: Sequence[int] | None = None) -> list[Any]:
        indices = list(range(self.cache_num) if indices is None else indices)
        if not indices:
            return []
        first = self._load_cache_item(indices[0])
        self._report(size_in_bytes(first), len(indices))
        return [first, *super()._fill_cache(indices[1:])]

    def _report(self, bytes_of_case: int, cases: int) -> None:
        logger = logging.getLogger(type(self).__name__)
        total, free = bytes_of_case * cases, free_memory_bytes()
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        logger.info(
            "Keeps the %s part in memory: %d cases x %.1f MB = %.2f GB%s.",
            *(self.part, cases, bytes_of_case / MB, total / GB),
            f", in each of {processes} processes" if processes > 1 else "",
        )
        needed = (total - bytes_of_case) * processes  # the first case is there already
        if free is not None and needed > free:
            logger.warning(
                "The %s part would take %.2f GB of memory, of which %.2f GB are free; use a smaller --cache_rate "
                "(about %.2f).",
                *(self.part, total * processes / GB, free / GB, 0.8 * free / (total * processes)),
            )
