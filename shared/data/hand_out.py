"""Hand cases out to the processes of a run, one at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence

import torch.distributed as dist
from torch.distributed.distributed_c10d import _get_default_store  # there is no public name

from ..errors import InputError

__all__ = ["hand_out"]


def hand_out(names: Sequence[str]) -> Iterator[int]:
    """Yield numbers of cases; each number goes to the process that asks first, of all that run together.

    A process that meets slow cases gets fewer of them. As in a collective call, every process must ask.

    Args:
        names: of the cases, the same on every process.

    Raises:
        InputError: the processes list different cases, or the process that counts has ended.
    """
    try:
        yield from _counted_together(names)
    except dist.DistError as error:
        raise InputError(
            "the process that hands out the cases has ended; start the run again with --skip_finished True."
        ) from error


def _counted_together(names: Sequence[str]) -> Iterator[int]:
    store = _get_default_store()
    place = f"hand_out/{store.add(f'hand_out/passes of {dist.get_rank()}', 1)}"
    digest = hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()
    first = store.compare_set(f"{place}/names", "", digest)  # sets where nothing is yet; returns what is there
    if (first.decode() if isinstance(first, bytes) else first) != digest:
        raise InputError(
            f"the processes of this run list different cases, this one {len(names)}; give all machines the same "
            "--dataset_dir, and change no files there meanwhile."
        )
    while (number := store.add(f"{place}/next", 1) - 1) < len(names):
        yield number
