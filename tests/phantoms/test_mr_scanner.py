"""What a painted scanner does to a signal."""

import numpy as np

from shared.phantoms.mr_scanner import slice_weights


def test_thick_slices_are_means_and_lines_between_them():
    """Six voxels of 1 mm in slices of 2 mm: the ramp 0 ... 5 has means 0.5, 2.5, 4.5."""
    measure, restore = slice_weights(np.arange(6.0), slice_mm=2.0, first_mm=0.5)
    slices = measure @ np.arange(6.0)
    np.testing.assert_allclose(slices, [0.0, 0.5, 2.5, 4.5, 5.0, 5.0], atol=1e-4)  # those outside show the ends
    np.testing.assert_allclose((restore @ slices)[1:5], np.arange(1.0, 5.0), atol=0.3)
    np.testing.assert_allclose(restore.sum(axis=1), 1.0, rtol=1e-5)
