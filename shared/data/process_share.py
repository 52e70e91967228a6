"""Deal cases out to the processes of one run."""

from __future__ import annotations

from collections.abc import Sequence

import torch.distributed as dist

__all__ = ["process_share"]


def process_share(cases: Sequence) -> list:
    """Give this process every n-th case, where n processes run; all of them where only one runs.

    Fewer cases than processes: the last processes repeat cases, since one without any would let the others wait for
    its results for ever.

    Args:
        cases: the same list on every process.
    """
    if not (dist.is_available() and dist.is_initialized()) or not cases:
        return list(cases)
    rank, processes = dist.get_rank(), dist.get_world_size()
    return list(cases[rank::processes]) or [cases[rank % len(cases)]]
