"""A packed bundle in clean interpreters, away from the repository: all ways in on the first, four on the others."""

import functools
from pathlib import Path

import pytest

from ci.config_files import bundles_below
from ci.entry_points import ENTRY_POINTS, outcomes_of

BUNDLES = bundles_below(Path())
TRIED = [(bundle, entry) for bundle in BUNDLES for entry in ENTRY_POINTS if bundle == BUNDLES[0] or entry.everywhere]


@functools.cache
def outcomes(bundle):
    entries = [entry for tried, entry in TRIED if tried == bundle]
    return dict(zip(entries, outcomes_of(bundle, entries), strict=True))


@pytest.mark.parametrize(("bundle", "entry"), TRIED, ids=lambda value: getattr(value, "name", None))
def test_entry_point(bundle, entry):
    outcome = outcomes(bundle)[entry]
    assert outcome.works == entry.works, outcome.report


def test_there_are_sixteen_and_all_but_one_work():
    assert len(ENTRY_POINTS) == 16
    assert [entry.where for entry in ENTRY_POINTS if not entry.works] == ["elsewhere"]
    assert sum(entry.everywhere for entry in ENTRY_POINTS) == 4
