"""Values that were not measured, in the words of DICOM PS3.3, C.7.5.1.1.2: pixel padding."""

import numpy as np
import pydicom
import pytest
from dicom_files import write_series

from shared.transforms import LoadImageModalitiesd

AFFINE = np.diag([7.0, 6, 8, 1])


def read(folder, volume, padding, limit=None, slopes=None):
    """Return what is read of a series with padding, in its slices' order (x, y, z)."""
    write_series(folder, volume, AFFINE)
    for index, path in enumerate(sorted(folder.iterdir(), key=lambda path: pydicom.dcmread(path).InstanceNumber)):
        header = pydicom.dcmread(path)
        header.add_new("PixelPaddingValue", "SS", padding)
        if limit is not None:
            header.add_new("PixelPaddingRangeLimit", "SS", limit)
        if slopes is not None:
            header.RescaleSlope, header.RescaleIntercept = slopes[index], index
        header.save_as(path)
    image = LoadImageModalitiesd("flair")({"flair": str(folder)})["flair"][0]
    return image.numpy()


@pytest.fixture
def volume():
    volume = np.random.default_rng(0).integers(1, 900, (12, 10, 8)).astype(np.int16)
    volume[:3] = -2000
    return volume


def counted(values):
    """Sorted values: which axis points where does not matter here."""
    return np.sort(values.ravel())


def test_padding_becomes_zero(tmp_path, volume):
    found = read(tmp_path / "series", volume, padding=-2000)
    np.testing.assert_array_equal(counted(found), counted(volume.clip(0)))


def test_slopes_of_every_slice_count_for_padding(tmp_path, volume):
    slopes = [1 + index for index in range(8)]
    found = read(tmp_path / "series", volume, padding=-2000, slopes=slopes)
    expected = np.where(volume < 0, 0, volume * np.array(slopes) + np.arange(8))
    np.testing.assert_allclose(counted(found), counted(expected), rtol=1e-6)


@pytest.mark.parametrize(("padding", "limit"), [(-2000, -1000), (-1000, -2000)])
def test_padding_may_be_a_range(tmp_path, volume, padding, limit):
    volume[:3] = np.random.default_rng(1).integers(-2000, -999, volume[:3].shape)
    found = read(tmp_path / "series", volume, padding, limit)
    np.testing.assert_array_equal(counted(found), counted(volume.clip(0)))
