"""Whether the chosen series of a study can be laid onto each other, and whether they end at the same places."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..errors import InputError
from .choose_series import Choice
from .stack_grids import grids_differ, uncovered
from .stacks import Stack

__all__ = ["check_together"]

MOST_UNCOVERED_MM = 5.0  # of a series that another one shows: more than a slice


def check_together(chosen: Mapping[str, Choice], resample: bool) -> None:
    """Refuse series that cannot be laid onto each other; warn of slices that may be missing.

    Args:
        chosen: {modality: series}, checked one by one.
        resample: series on several grids will be brought onto one.

    Raises:
        InputError: two frames of reference or, without `resample`, two grids.
    """
    (name, first), *others = chosen.items()
    if others and not first.stack.first.frame_of_reference:
        logging.getLogger(__name__).warning(
            "%s has no frame of reference, so nothing says that the series lie on each other; look at the figure.",
            first.stack,
        )
    for choice in chosen.values():
        if choice.stack.missing:
            logging.getLogger(__name__).warning(
                "%s: %s; slices may be missing at an end, look at the figure.", choice.stack, choice.stack.missing
            )
    for other, choice in others:
        pair = f"{name} is {first.stack}, {other} is {choice.stack}"
        places = [stack.first.frame_of_reference for stack in (first.stack, choice.stack)]
        if places[0] != places[1]:
            raise InputError(
                f"{pair}: their frames of reference differ, so that they need not lie on each other; register them and "
                f"give NIfTI, or leave one out with --series \"{{'{other}': None}}\"."
            )
        if not resample and grids_differ(first.stack, choice.stack):
            raise InputError(
                f"{pair}: they are on two grids; bring them onto one with --resample_modalities True, or leave one out "
                f"with --series \"{{'{other}': None}}\"."
            )
        _warn_of_extent(first.stack, choice.stack)
        _warn_of_extent(choice.stack, first.stack)


def _warn_of_extent(stack: Stack, other: Stack) -> None:
    """Say where a series ends before another, in the plane of both: there it counts as 0."""
    ends = uncovered(stack, other)
    if stack.plane == other.plane and max(ends) > MOST_UNCOVERED_MM:
        logging.getLogger(__name__).warning(
            "%s: ends %.3g mm before %s; it counts as 0 there, and slices may be missing.", stack, max(ends), other
        )
