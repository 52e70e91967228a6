"""Smooth random fields on a head's grid."""

import numpy as np
import pytest
from scipy import ndimage

from shared.phantoms.head_grid import HeadGrid, Waves


def test_waves_are_splines_of_their_lattice_and_come_again():
    """Against SciPy at points, and 40 details further."""
    waves = Waves(np.random.default_rng(0), 6.0)
    axes = (np.arange(-20.0, 20.0, 3.0), np.arange(5.0, 40.0, 4.0), np.array([-7.0, 60.0, 233.0]))
    points = np.stack(np.meshgrid(*axes, indexing="ij")) / 6.0
    expected = ndimage.map_coordinates(waves.lattice, points, order=2, prefilter=False, mode="grid-wrap")
    found = waves.on(HeadGrid(axes))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(found[..., 0], found[..., 2], atol=1e-4)
    assert waves.on(HeadGrid([np.arange(0.0, 240.0, 5.0)] * 3)).std() == pytest.approx(1.0, abs=0.05)
