"""Read cases one after the other; a bad one is named and passed over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch.distributed as dist
from torch.utils.data import IterableDataset

from ..errors import InputError, find_input_error

__all__ = ["CaseStream"]


class CaseStream(IterableDataset):
    """Transformed cases in order, without those that cannot be used.

    A case whose reading raises `InputError` is logged and skipped, so that the rest of a cohort is done;
    `raise_failures` at the end turns what was skipped into the status of the run.

    Args:
        data: case items.
        transform: reads and prepares one case.
    """

    def __init__(self, data: Sequence, transform: Callable) -> None:
        self.data = data
        self.transform = transform
        self.failures: list[str] = []

    def __iter__(self) -> Iterator:
        self.failures = []
        for case in self.data:
            try:
                prepared = self.transform(case)
            except Exception as error:
                failure = find_input_error(error)
                if failure is None:
                    raise
                self.failures.append(str(failure))
                logging.getLogger(type(self).__name__).error("Skipped: %s", failure)
                continue
            yield prepared

    def raise_failures(self) -> None:
        """Raise one `InputError` that names every case that was skipped, if any was.

        Where several processes share the cases, each waits here for the others, and the first one raises for all: a
        process that ended with an error before would make `torchrun` end the others amid their cases.
        """
        counts, failures = [len(self.data)], [self.failures]
        if dist.is_available() and dist.is_initialized():
            counts, failures = _gathered(len(self.data)), _gathered(self.failures)
            if dist.get_rank() > 0:
                return
        skipped = [failure for part in failures for failure in part]
        if skipped:
            done = sum(counts) - len(skipped)
            raise InputError(f"{done} of {sum(counts)} cases done; not done: " + " | ".join(skipped))


def _gathered(item: Any) -> list[Any]:
    """Return the item of every process."""
    items = [None] * dist.get_world_size()
    dist.all_gather_object(items, item)
    return items
