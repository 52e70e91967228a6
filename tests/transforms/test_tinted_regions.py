import itertools

import numpy as np
import pytest

from shared.transforms import tinted_regions


@pytest.mark.parametrize(("gap", "differ"), [(0, True), (4, True), (30, False)])
def test_near_objects_differ_in_colour_as_far_as_colours_go(gap, differ):
    """Two objects whose numbers would give them one colour."""
    count = len(tinted_regions.OBJECT_COLOURS)
    places = np.zeros((9, 60), int)
    places[2:5, 5:10], places[2:5, 10 + gap : 15 + gap] = 1, 1 + count
    first, *_, last = tinted_regions._distinct_colours(places, 2 + count)
    assert (first != last) == differ


def test_more_neighbours_than_colours():
    """All touch the first and are near ten more: some near ones must share, but none that touch."""
    places = np.ones((3, 40), int)
    places[1] = np.arange(2, 42)
    chosen = tinted_regions._distinct_colours(places, 42)
    assert chosen[0] not in chosen[1:]
    assert all(one != other for one, other in itertools.pairwise(chosen))


def test_noise_is_coloured_by_number(monkeypatch):
    """Beyond the number of neighbours that can be told apart, neighbours are not looked at."""
    monkeypatch.setattr(tinted_regions, "MOST_PAIRS", 3)
    places = np.arange(40).reshape(4, 10)
    count = len(tinted_regions.OBJECT_COLOURS)
    assert tinted_regions._distinct_colours(places, 40) == [number % count for number in range(1, 40)]
