"""How oedema spreads in heads made by hand."""

import numpy as np
import pytest

from shared.phantoms.head_grid import HeadGrid
from shared.phantoms.head_pose import Head
from shared.phantoms.lesion_glioma import add_oedema
from shared.phantoms.lesion_parts import OEDEMA, SOLID
from shared.phantoms.lesion_spread import spread_mm, travel_mm


def bare_head(white, side, mm=2.0):
    zero = np.zeros(white.shape, np.float32)
    grid = HeadGrid([mm * np.arange(size) for size in white.shape])
    return Head(grid, np.zeros((3, *white.shape), np.float32), 1 - white, white, zero, zero + 30, zero + 30, side, zero)


@pytest.mark.parametrize("open_callosum", [False, True])
def test_only_the_corpus_callosum_lets_oedema_through_the_falx(open_callosum):
    side = np.broadcast_to(2.0 * np.arange(-8, 9, dtype=np.float32)[:, None, None], (17, 9, 9)).copy()
    white = np.ones(side.shape, np.float32)
    white[abs(side) < 2.2] = 0.3  # grey matter and fluid at the falx
    if open_callosum:
        white[:, 4, 1] = 1.0
    start = np.full(side.shape, np.inf, np.float32)
    start[3, 4, 4] = 0.0
    effort = spread_mm(bare_head(white, side), start, most_mm=30.0)
    assert effort[5, 4, 4] == pytest.approx(2 * 2.0 * 0.8)
    assert (effort[side > 3].min() < 30.0) == open_callosum


def test_travel_goes_round_a_wall_and_not_through():
    """Worked out by hand: 3 steps of 2 mm to the left; the wall's other side is reached over its open end."""
    slowness = np.ones((7, 5, 1), np.float32)
    slowness[3, :4] = 1e4  # open at the last row only
    start = np.full(slowness.shape, 1e4, np.float32)
    start[4, 0] = 0
    effort = travel_mm(start, slowness, (2.0, 2.0, 2.0), most_mm=40.0)
    assert effort[4, 3, 0] == pytest.approx(6.0)
    assert effort[2, 0, 0] == pytest.approx(6.0 + 2 * np.sqrt(8) + 6.0)
    assert effort[3, 1, 0] > 1000


def test_fluid_between_the_voxels_in_which_oedema_spreads_stays_free_of_it():
    """At 1 mm the effort is known at every second voxel, and interpolated between them."""
    white = np.ones((40, 24, 24), np.float32)
    head = bare_head(white, np.full(white.shape, 30.0, np.float32), mm=1.0)
    head.white[:, 11], head.fluid[:, 11] = 0.2, 0.8
    parts = np.zeros(white.shape, np.uint8)
    parts[18:22, 4:8, 10:14] = SOLID
    oedema = add_oedema(np.random.default_rng(0), head, parts, reach_mm=12.0).parts == OEDEMA
    assert oedema[:, (10, 12)].any(axis=(0, 2)).all()
    assert not oedema[:, 11].any()
