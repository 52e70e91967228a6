"""Read cases one after the other; a bad one is named and passed over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

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
        """Raise one `InputError` that names every case that was skipped, if any was."""
        if self.failures:
            done = len(self.data) - len(self.failures)
            raise InputError(f"{done} of {len(self.data)} cases done; not done: " + " | ".join(self.failures))
