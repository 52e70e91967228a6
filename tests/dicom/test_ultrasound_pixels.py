"""Every frame of ultrasound is a picture, in whatever way its pixels are stored."""

import io

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import JPEGBaseline8Bit, RLELossless
from study_files import change
from ultrasound_files import COLOURED, GREY, note, only, read, write_ultrasound

from shared.dicom import ultrasound_cases
from shared.errors import InputError


def test_grey_pictures_have_three_equal_channels(tmp_path):
    write_ultrasound(tmp_path, GREY)
    np.testing.assert_allclose(read(only(tmp_path)), np.stack([GREY] * 3) / 255, atol=1e-6)


def test_where_0_is_white_the_picture_is_inverted(tmp_path):
    write_ultrasound(tmp_path, 255 - GREY, photometric="MONOCHROME1")
    np.testing.assert_allclose(read(only(tmp_path)), np.stack([GREY] * 3) / 255, atol=1e-6)


def test_sixteen_bits_are_scaled_by_the_bits_that_are_stored(tmp_path):
    write_ultrasound(tmp_path, GREY.astype("<u2") * 16, BitsStored=12, HighBit=11)
    np.testing.assert_allclose(read(only(tmp_path))[0], GREY * 16.0 / 4095, atol=1e-6)


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_are_read_pixel_by_pixel_or_plane_by_plane(tmp_path, planar):
    stored = COLOURED if planar == 0 else np.moveaxis(COLOURED, -1, 0).reshape(COLOURED.shape)
    path = write_ultrasound(tmp_path, np.ascontiguousarray(stored), photometric="RGB")
    change(path, PlanarConfiguration=planar)
    np.testing.assert_allclose(read(only(tmp_path)), np.moveaxis(COLOURED, -1, 0) / 255, atol=1e-6)


def test_luminance_and_chrominance_become_colours(tmp_path):
    write_ultrasound(tmp_path, convert_color_space(COLOURED, "RGB", "YBR_FULL"), photometric="YBR_FULL")
    np.testing.assert_allclose(read(only(tmp_path)), np.moveaxis(COLOURED, -1, 0) / 255, atol=2 / 255)


def test_halved_chrominance_is_no_cut_off_file(tmp_path):
    """YBR_FULL_422 has four bytes for two pixels: Y Y Cb Cr (PS3.3, C.7.6.3.1.2)."""
    path = write_ultrasound(tmp_path, COLOURED, photometric="YBR_FULL_422")
    pairs = np.stack(
        [GREY[:, ::2], GREY[:, 1::2], np.full_like(GREY[:, ::2], 128), np.full_like(GREY[:, ::2], 128)], -1
    )
    change(path, PixelData=pairs.tobytes())
    np.testing.assert_allclose(read(only(tmp_path)), np.stack([GREY] * 3) / 255, atol=1e-6)


def test_palettes_become_colours(tmp_path):
    ramp = np.arange(256, dtype="<u2") * 257
    tables = {"Red": ramp, "Green": ramp[::-1], "Blue": ramp // 2}
    tags = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in tables}
    tags |= {f"{name}PaletteColorLookupTableData": table.tobytes() for name, table in tables.items()}
    path = write_ultrasound(tmp_path, GREY, photometric="PALETTE COLOR")
    dataset = dcmread(path)
    for tag, value in tags.items():
        dataset.add_new(tag, "OW" if tag.endswith("Data") else "US", value)
    dataset.save_as(path)
    expected = np.stack([table[GREY] / 65535 for table in tables.values()])
    np.testing.assert_allclose(read(only(tmp_path)), expected, atol=1e-6)


def test_every_frame_is_a_picture_with_a_name_of_its_own(tmp_path):
    frames = np.stack([np.roll(COLOURED, shift, axis=0) for shift in (0, 5, 9)])
    write_ultrasound(tmp_path, GREY, number=2)
    write_ultrasound(tmp_path, frames, number=1, photometric="RGB", frames=3)
    cases = ultrasound_cases(tmp_path)
    assert [case["case"][-13:] for case in cases[:3]] == ["001_frame_001", "001_frame_002", "001_frame_003"]
    assert cases[3]["case"].endswith("_002")
    for case, frame in zip(cases, frames):
        np.testing.assert_allclose(read(case), np.moveaxis(frame, -1, 0) / 255, atol=1e-6)
    assert [note(case)["frame"] for case in cases] == [1, 2, 3, 1]
    assert [note(case)["frames"] for case in cases] == [3, 3, 3, 1]


def test_frames_may_be_compressed(tmp_path):
    frames = np.stack([GREY, 255 - GREY])
    path = write_ultrasound(tmp_path, frames, number=1, frames=2)
    dataset = dcmread(path)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(path)
    for case, frame in zip(ultrasound_cases(tmp_path), frames):
        np.testing.assert_allclose(read(case)[0], frame / 255, atol=1e-6)


def test_a_jpeg_is_read_as_pillow_reads_it(tmp_path):
    path = write_ultrasound(tmp_path, COLOURED, photometric="YBR_FULL_422")
    content = io.BytesIO()
    Image.fromarray(COLOURED).save(content, "JPEG", quality=90)
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([content.getvalue()])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(path)
    expected = np.moveaxis(np.asarray(Image.open(content)), -1, 0) / 255
    np.testing.assert_allclose(read(only(tmp_path)), expected, atol=3 / 255)


def test_frames_that_cannot_be_decoded_are_one_line(tmp_path):
    path = write_ultrasound(tmp_path, GREY)
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([b"\xff\xd8 no picture"])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"1\.dcm: frame 1 cannot be read") as refused:
        read(only(tmp_path))
    assert "\n" not in str(refused.value)
