"""Properties of a whole data set that decide how each image file is read."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..pictures import highest_value, label_numbers, number_components, open_picture, stores_many_bits, white_for

__all__ = ["with_highest_value", "with_one_number"]

FEW_CLASSES, MANY_PIECES, PIECES_PER_NUMBER = 3, 10, 3  # so many numbers in so many pieces are classes, not objects


def with_highest_value(cases: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add to every picture of more than 8 bits the highest number in all of them, so that they are scaled alike.

    Args:
        cases: items with "image"; what cannot be read is left to whoever reads it later.
    """
    deep = [case for case in cases if stores_many_bits(case["image"])]
    found = [value for case in deep if (value := _highest(case["image"])) is not None]
    if not found:
        return [dict(case) for case in cases]
    container, highest = 2**16 - 1, max(found, default=0)
    if highest and white_for(highest, container) < container:
        logging.getLogger(__name__).warning(
            "%d of %d images have 16 bits but values up to %d only: white is taken to be %d in all of them.",
            len(deep),
            len(cases),
            highest,
            white_for(highest, container),
        )
    names = {id(case) for case in deep}
    return [{**case, "highest_value": highest} if id(case) in names else dict(case) for case in cases]


def with_one_number(cases: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mark the annotations that use one number for all objects ("one_number").

    Annotations that number their objects keep their numbers, also where one object is in pieces. If none of a data set
    has two numbers, or one has a number above 1 alone, its components are the objects; a warning counts these.

    Args:
        cases: items, "instances" where they have an annotation.

    Raises:
        InputError: the numbers look like classes.
    """
    numbers = {place: found for place, case in enumerate(cases) if (found := _numbers(case)) is not None}
    found = {place: np.unique(values[values != 0]) for place, values in numbers.items()}
    numbered = any(len(values) > 1 for values in found.values())
    if numbered:
        _refuse_classes(cases, numbers, found)
    told = [dict(case) for case in cases]
    joined = []
    for place, values in found.items():
        alone = len(values) == 1 and (not numbered or values[0] > 1)
        told[place]["one_number"] = alone
        if alone and number_components(_numbers(cases[place], one_number=True))[1] > 1:
            joined.append(place)
    if joined:
        first = joined[0]
        logging.getLogger(__name__).warning(
            "%d of %d annotations have one number for all objects (%d in %s): connected components are taken as "
            "objects, and objects that touch count as one.",
            len(joined),
            len(found),
            found[first][0],
            cases[first]["instances"],
        )
    return told


def _highest(path: str) -> int | None:
    try:
        return highest_value(open_picture(path))
    except InputError:
        return None


def _numbers(case: Mapping[str, Any], one_number: bool = False) -> np.ndarray | None:
    try:
        return label_numbers(open_picture(case["instances"]), one_number) if "instances" in case else None
    except InputError:
        return None


def _refuse_classes(
    cases: Sequence[Mapping[str, Any]], numbers: Mapping[int, np.ndarray], found: Mapping[int, np.ndarray]
) -> None:
    classes = sorted({int(number) for values in found.values() for number in values})
    if len(classes) > FEW_CLASSES:
        return
    pieces = {
        place: sum(ndimage.label(numbers[place] == number, np.ones((3, 3)))[1] for number in values)
        for place, values in found.items()
    }
    total = sum(pieces.values())
    if total >= MANY_PIECES and total > PIECES_PER_NUMBER * sum(map(len, found.values())):
        worst = max(pieces, key=lambda place: pieces[place])
        raise InputError(
            f"{cases[worst]['instances']}: the annotations hold the numbers {', '.join(map(str, classes))} only, in "
            f"{pieces[worst]} pieces here, as classes do; give every object a number of its own, 0 to the rest."
        )
