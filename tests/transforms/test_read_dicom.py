import shutil

import numpy as np
import pytest
from dicom_files import ORIENTATION, PIXEL_SPACING, POSITION, write_enhanced, write_series

from shared.errors import InputError
from shared.transforms import LoadImageModalitiesd

NAMES = {"ImageOrientationPatient": ORIENTATION, "ImagePositionPatient": POSITION, "PixelSpacing": PIXEL_SPACING}
UPRIGHT = np.array([[-7.0, 0, 0, 60], [0, -6, 0, 50], [0, 0, 8, -40], [0, 0, 0, 1]])


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(0, 900, (12, 10, 8)).astype(np.int16)


def read(path):
    return LoadImageModalitiesd("flair")({"flair": str(path)})["flair"]


def turn(affine):
    """Turn an upright affine about two axes."""
    c, s = np.cos(0.3), np.sin(0.3)
    about_x, about_z = np.eye(4), np.eye(4)
    about_x[1:3, 1:3], about_z[:2, :2] = [[c, -s], [s, c]], [[c, -s], [s, c]]
    return about_x @ about_z @ affine


@pytest.mark.parametrize("affine", [UPRIGHT, turn(UPRIGHT)], ids=["upright", "oblique"])
@pytest.mark.parametrize("enhanced", [False, True])
def test_every_voxel_is_where_the_tags_say(tmp_path, volume, affine, enhanced):
    path = write_enhanced(tmp_path / "a.dcm", volume, affine) if enhanced else write_series(tmp_path, volume, affine)
    image = read(path)
    np.testing.assert_allclose(image.affine, affine, atol=1e-4)
    np.testing.assert_array_equal(image[0], volume)


def test_one_slice_is_an_image(tmp_path, volume):
    image = read(write_series(tmp_path / "one", volume[:, :, :1], UPRIGHT))
    assert image.shape == (1, 12, 10, 1)
    np.testing.assert_allclose(image.affine, UPRIGHT, atol=1e-4)
    assert read(tmp_path / "one" / "000.dcm").shape == (1, 12, 10, 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["left out", "empty", "enhanced"])
def test_a_lost_tag_is_named(tmp_path, volume, name, kind):
    if kind == "enhanced":
        path = write_enhanced(tmp_path / "a.dcm", volume, UPRIGHT, without=[NAMES[name]])
    else:
        without = [NAMES[name]] if kind == "left out" else [(*NAMES[name], "empty")]
        path = write_series(tmp_path / "s", volume, UPRIGHT, without=without)
    with pytest.raises(InputError, match=rf"\.dcm: {name} is missing or not \d numbers, .*export the series again"):
        read(path)


def test_a_tag_that_one_slice_lacks(tmp_path, volume):
    write_series(tmp_path / "s", volume, UPRIGHT)
    write_series(tmp_path / "t", volume, UPRIGHT, without=[ORIENTATION])
    shutil.copy(tmp_path / "t" / "004.dcm", tmp_path / "s" / "004.dcm")
    with pytest.raises(InputError, match=r"ImageOrientationPatient is missing|more than one DICOM series"):
        read(tmp_path / "s")


@pytest.mark.parametrize("enhanced", [False, True])
@pytest.mark.parametrize("sideways", [0.05, 2.0])
def test_a_tilted_stack_is_refused_with_its_shift(tmp_path, volume, sideways, enhanced):
    """Seven steps of 2 mm are 14 mm."""
    affine = UPRIGHT.copy()
    affine[0, 2] = sideways
    path = write_enhanced(tmp_path / "a.dcm", volume, affine) if enhanced else write_series(tmp_path, volume, affine)
    with pytest.raises(InputError, match=rf"the slices step sideways, {7 * sideways:.3g} mm in all \(tilted gantry\)"):
        read(path)


def test_missing_and_doubled_slices(tmp_path, volume):
    folder = tmp_path / "s"
    write_series(folder, volume, UPRIGHT)
    shutil.copy(folder / "002.dcm", folder / "copy.dcm")
    with pytest.raises(InputError, match=r"s: two slices are 0 mm apart \((002|copy).dcm and (002|copy).dcm\)"):
        read(folder)
    (folder / "copy.dcm").unlink()
    (folder / "003.dcm").unlink()
    with pytest.raises(InputError, match=r"missing or unevenly spaced \(steps of 8 to 16 mm\); export the whole"):
        read(folder)


@pytest.mark.parametrize("slice_", ["000.dcm", "007.dcm"])
def test_a_damaged_slice_at_an_end_is_not_left_out(tmp_path, volume, slice_):
    """ITK reads the others as a shorter stack."""
    folder = tmp_path / "s"
    write_series(folder, volume, UPRIGHT)
    (folder / "notes.txt").write_text("no slice")
    (folder / slice_).write_bytes(b"")
    with pytest.raises(InputError, match=rf"{slice_}: cannot be read as a slice of its series; copy it again"):
        read(folder)


def test_a_slice_of_another_direction_or_size(tmp_path, volume):
    folder = tmp_path / "s"
    write_series(folder, volume, UPRIGHT)
    write_series(tmp_path / "turned", volume, turn(UPRIGHT))
    shutil.copy(tmp_path / "turned" / "004.dcm", folder / "004.dcm")
    with pytest.raises(InputError, match=r"turned against each other|more than one DICOM series"):
        read(folder)
    write_series(tmp_path / "fine", volume, UPRIGHT @ np.diag([0.5, 0.5, 1, 1]))
    shutil.copy(tmp_path / "fine" / "004.dcm", folder / "004.dcm")
    with pytest.raises(InputError, match=r"PixelSpacing is \(3, 3.5\) to \(6, 7\) mm|more than one DICOM series"):
        read(folder)


def test_frames_in_another_order_than_their_places(tmp_path, volume):
    """ITK does not sort the frames of one file."""
    path = write_enhanced(tmp_path / "a.dcm", volume, UPRIGHT, order=[0, 1, 2, 5, 4, 3, 6, 7])
    with pytest.raises(InputError, match=r"a.dcm: slices would be read \d+ mm from where their tags place them"):
        read(path)


def test_a_damaged_file_is_not_said_to_lack_a_tag(tmp_path, volume):
    path = tmp_path / "s" / "000.dcm"
    write_series(path.parent, volume, UPRIGHT)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"000.dcm: cannot be read as an image"):
        read(path)
