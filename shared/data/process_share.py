"""Deal cases out to the processes of one run."""

from __future__ import annotations

from collections.abc import Sequence

import torch.distributed as dist

from .case_names import refuse_same_names

__all__ = ["process_share"]


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
    if not (dist.is_available() and dist.is_initialized()) or not cases:
        return list(cases)
    rank, processes = dist.get_rank(), dist.get_world_size()
    return list(cases[rank::processes]) or [cases[rank % len(cases)]] * repeat
