import pytest

from ci.timing import inference_memory


def test_allowed_memory_by_hand():
    """480 x 480 x 300 voxels of 4 bytes are 276.48 MB; 1.5 times four classes, and four modalities."""
    assert inference_memory.megabytes_allowed() == pytest.approx(10 * 276.48)
