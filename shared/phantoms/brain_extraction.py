"""Brain masks as different tools leave them: tight or generous, smooth or along the sulci, cut off below."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .head_grid import Waves
from .head_pose import Head
from .lesion_parts import bodies, brain_of

__all__ = ["draw_brain_mask"]

KEEPS_SINUSES = 0.65  # share of the masks


def draw_brain_mask(generator: np.random.Generator, head: Head, sinus: np.ndarray) -> np.ndarray:
    """Return one tool's mask of a head's brain, often with parts of the sinuses next to it.

    Args:
        generator: of random numbers.
        head: on its grid.
        sinus: (x, y, z), share of venous sinuses.

    Returns:
        (x, y, z), bool, without crumbs.
    """
    kind = generator.choice(["plain", "tight", "generous", "sulci"], p=[0.35, 0.2, 0.25, 0.2])
    uneven = generator.uniform(0.0, 0.8) * Waves(generator, 12.0).on(head.grid)
    offset = {"plain": 0.0, "tight": generator.uniform(0.5, 2.0), "sulci": 0.3}.get(kind, generator.uniform(-3.0, -0.5))
    mask = head.depth + uneven.clip(-1.5, 1.5) > offset
    if kind == "sulci":
        mask &= ~((head.fluid > 0.75) & (head.depth < generator.uniform(2.0, 5.0)))
    if kind != "generous":
        mask &= brain_of(head)
    if generator.random() < 0.15:
        mask &= head.grid.points()[2] > generator.uniform(-75.0, -45.0)  # the field of view ends here
    mask = ndimage.binary_opening(mask) if min(head.grid.spacing) < 3 else mask
    keeps, reach = generator.random() < KEEPS_SINUSES, generator.uniform(1.0, 5.5)
    if keeps:
        ends = head.grid.points()[2][mask.any(axis=(0, 1))[None, None]].min(initial=np.inf)
        mask |= (sinus > 0.4) & (head.depth + uneven > -reach) & (head.grid.points()[2] >= ends)
    return bodies(mask)
