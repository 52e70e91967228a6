"""Share cases among the processes of one run, and gather what they found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.distributed as dist

from .case_names import refuse_same_names

__all__ = ["gathered", "process_share", "several_processes"]


def several_processes() -> bool:
    """Whether this process is one of a group, as those that `torchrun` starts become."""
    return dist.is_available() and dist.is_initialized()


def gathered(item: Any) -> list[Any]:
    """Return the item of every process, in their order; all must call this."""
    if not several_processes():
        return [item]
    items = [None] * dist.get_world_size()
    dist.all_gather_object(items, item)
    return items


def process_share(cases: Sequence, repeat: bool = True) -> list:
    """Give this process every n-th case, where n processes run; all of them where only one runs.

    Args:
        cases: the same list on every process.
        repeat: where there are fewer cases than processes, give the last processes some again: in a training one
            without any would let the others wait for its results for ever. Without it they get none, and every case
            is done once.

    Raises:
        InputError: two cases have one name: two processes would write their results to one place.
    """
    refuse_same_names(cases)
    if not several_processes() or not cases:
        return list(cases)
    rank, processes = dist.get_rank(), dist.get_world_size()
    return list(cases[rank::processes]) or [cases[rank % len(cases)]] * repeat
