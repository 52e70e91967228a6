"""Split breast ultrasound images, with near-duplicates in one part."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse.csgraph import connected_components

from ..errors import InputError
from .near_duplicates import group_near_duplicates
from .splits import PARTS, count_cases_sharing, split_cases

__all__ = ["split_breast_cases"]


def split_breast_cases(
    cases: Sequence[Mapping[str, Any]],
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    seed: int = 42,
    similarity: float = 0.5,
    duplicates_together: bool = True,
    files: Mapping[str, str | os.PathLike | None] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Split cases into "train", "validation" and "test", each sorted by name, with the classes in equal shares.

    Near-duplicates, of which BUSI has many, go to one part. How many there are is logged.

    Args:
        cases: as `find_breast_cases` lists them. As soon as one has no "group", all pictures are compared:
            near-duplicates and cases of one group become one group, named like a given one, else like its first case.
        fractions: shares of the images in the three parts, summing to one.
        seed: chooses the split, with the names of cases and groups.
        similarity: at which two pictures are near-duplicates, see `picture_similarity`.
        duplicates_together: False splits file by file, as in Al Shafi et al., 2026 (546, 117 and 117 of the 780
            images): then a tested image may have a near-duplicate in another part, which is counted and logged.
        files: take the split from text files instead, see `split_cases`.

    Raises:
        InputError: fractions out of range, too few cases, or two cases of one name.
    """
    cases = _with_groups(cases, similarity)
    if files is not None:
        split = split_cases(cases, files=files)
    else:
        drawn = _draw(cases, fractions, seed, duplicates_together)
        split = {part: [case for case in cases if drawn[case["case"]] == part] for part in PARTS}
    if shared := count_cases_sharing(split["test"], [*split["train"], *split["validation"]], "group"):
        logging.getLogger(__name__).warning(
            "%d of %d tested images have a near-duplicate in another part: results on them are too good.",
            shared,
            len(split["test"]),
        )
    return split


def _with_groups(cases: Sequence[Mapping[str, Any]], similarity: float) -> list[dict[str, Any]]:
    """Return the cases sorted by name, each with "group"; log how many near-duplicates were found."""
    by_name = {str(case.get("case")): dict(case) for case in cases}
    if len(by_name) < len(cases) or "None" in by_name:
        raise InputError(f'{len(cases)} cases but {len(by_name)} names: give every case a "case" of its own.')
    named = [by_name[name] for name in sorted(by_name)]
    if not all("group" in case for case in named):
        _join_near_duplicates(named, similarity)
    several = [own for own in _members(named, "group").values() if len(own) > 1]
    logging.getLogger(__name__).info(
        "Near-duplicates: %d of %d images, in %d groups, %d of which hold images of several classes.",
        sum(map(len, several)),
        len(named),
        len(several),
        sum(len({case.get("class") for case in own}) > 1 for own in several),
    )
    return named


def _join_near_duplicates(cases: Sequence[dict[str, Any]], similarity: float) -> None:
    """Set "group": the smallest sets that hold the near-duplicates, and the cases of one given group, together."""
    similar = np.array(group_near_duplicates([case["image"] for case in cases], similarity))
    given = np.array([str(case.get("group", f"alone {place}")) for place, case in enumerate(cases)])
    together = (similar[:, None] == similar) | (given[:, None] == given)
    _, sets = connected_components(together, directed=False)
    for own in (np.flatnonzero(sets == number) for number in np.unique(sets)):
        names = [str(cases[place]["group"]) for place in own if "group" in cases[place]]
        for place in own:
            cases[place]["group"] = min(names, default=str(cases[own[0]]["case"]))


def _members(cases: Sequence[Mapping[str, Any]], key: str) -> dict[str, list[Mapping[str, Any]]]:
    members: dict[str, list[Mapping[str, Any]]] = {}
    for case in cases:
        members.setdefault(str(case[key]), []).append(case)
    return members


def _draw(
    cases: Sequence[Mapping[str, Any]], fractions: Sequence[float], seed: int, duplicates_together: bool
) -> dict[str, str]:
    """Return {case: part}. Large groups draw first, each a part with the chance of the places that are free in it."""
    if len(fractions) != len(PARTS) or min(fractions) < 0 or abs(sum(fractions) - 1) > 0.01:
        raise InputError(f"fractions {list(fractions)}: give three shares ({', '.join(PARTS)}) that sum to one.")
    classes = sorted({case.get("class", -1) for case in cases})
    members = _members(cases, "group" if duplicates_together else "case")
    numbers = {
        group: np.array([sum(case.get("class", -1) == number for case in own) for number in classes])
        for group, own in members.items()
    }
    free = _places(sum(numbers.values(), np.zeros(len(classes), int)), fractions)
    generator = np.random.default_rng(seed)
    shuffled = [str(group) for group in generator.permutation(sorted(members))]
    drawn: dict[str, str] = {}
    for group in sorted(shuffled, key=lambda group: -len(members[group])):
        number = numbers[group]
        chances = free.clip(0)[:, number > 0].sum(axis=1) * (free >= number).all(axis=1)
        if not chances.any():  # no part has places for all: the one that lacks least
            chances = (np.arange(len(PARTS)) == (free - number).sum(axis=1).argmax()).astype(int)
        part = generator.choice(len(PARTS), p=chances / chances.sum())
        free[part] -= number
        drawn |= {str(case["case"]): PARTS[part] for case in members[group]}
    if empty := [part for part, share in zip(PARTS, fractions, strict=True) if share and part not in drawn.values()]:
        raise InputError(
            f"fractions {list(fractions)}: no image is left for {empty[0]}, as {len(cases)} images form {len(members)} "
            "groups; give more images, or that part the fraction 0."
        )
    return drawn


def _places(counts: np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """Cut the images of every class into whole numbers per part (parts, classes) that are also right in total."""
    wanted = np.outer(np.asarray(fractions) / sum(fractions), counts).round(9)
    places = np.zeros(wanted.shape, int)
    for number, count in enumerate(counts):
        for _ in range(count):
            missing = wanted - places
            places[max(range(len(PARTS)), key=lambda part: (missing[part, number], missing[part].sum())), number] += 1
    return places
