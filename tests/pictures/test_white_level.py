import logging

import numpy as np
import pytest
import tifffile
from deep_png import write_png
from PIL import Image

from shared.errors import InputError
from shared.pictures import highest_value, open_picture, picture_colours, white_for

GREY = np.tile(np.arange(256, dtype=np.uint16), (4, 1))  # black to white


def read(path, highest=None):
    return picture_colours(open_picture(path), highest)


@pytest.fixture
def write(tmp_path):
    def save(values, name="a.tif", **options):
        tifffile.imwrite(tmp_path / name, values, **options)
        return tmp_path / name

    return save


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32])
def test_the_same_picture_in_every_kind_of_tiff(write, kind, photometric, order, caplog):
    values = GREY * (1 if kind is np.uint8 else 257)
    stored = values.max() - values if photometric == "miniswhite" else values
    path = write(stored.astype(kind), photometric=photometric, byteorder=order)
    np.testing.assert_allclose(read(path), np.repeat(GREY[None] / 255, 3, axis=0), atol=1e-6)
    assert not caplog.text


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.uint32])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_fewer_bits_than_sixteen_are_scaled_by_their_own_with_a_word(write, bits, kind, photometric, caplog):
    white = 2**bits - 1
    values = np.round(GREY / 255 * white)
    path = write((white - values if photometric == "miniswhite" else values).astype(kind), photometric=photometric)
    np.testing.assert_allclose(read(path)[0], GREY / 255, atol=1 / white)
    assert f"a.tif: its highest value is {white} of " in caplog.text
    assert f"white is taken to be {white}" in caplog.text
    assert len(caplog.records) == 1


def test_turned_over_in_sixteen_bits_though_it_has_twelve(write):
    path = write((65535 - np.round(GREY / 255 * 4095)).astype(np.uint16), photometric="miniswhite")
    np.testing.assert_allclose(read(path)[0], GREY / 255, atol=1 / 4095)


def test_colours_of_twelve_bits(write, caplog):
    colours = np.round(np.stack([GREY, GREY[:, ::-1], GREY // 2], axis=-1) / 255 * 4095).astype(np.uint16)
    image = read(write(colours, photometric="rgb"))
    np.testing.assert_allclose(np.moveaxis(image, 0, -1), colours / 4095, atol=1e-6)
    assert "white is taken to be 4095" in caplog.text


def test_a_dark_picture_of_a_bright_data_set_stays_dark(write, caplog):
    dark = (GREY * 7).astype(np.uint16)  # up to 1785
    for highest, white in ((65535, 65535), (4000, 4095), (1785, 2047)):
        np.testing.assert_allclose(read(write(dark), highest)[0], dark / white, rtol=1e-6)
    assert not caplog.text
    assert read(write(dark))[0].max() == pytest.approx(1785 / 2047)
    assert len(caplog.records) == 1


def test_a_picture_that_uses_half_of_its_range_stays_and_is_called_dark(write, caplog):
    path = write((GREY * 100 + 3).astype(np.uint16))
    np.testing.assert_allclose(read(path)[0], (GREY * 100 + 3) / 65535, rtol=1e-6)
    assert "a.tif: is dark, up to 25503 of 65535" in caplog.text


def test_eight_bits_spread_over_sixteen_are_no_matter_of_doubt(write, caplog):
    for factor in (256, 257):
        dark = (GREY // 8 * factor).astype(np.uint16)
        assert highest_value(open_picture(write(dark))) == 65535
        np.testing.assert_allclose(read(write(dark))[0], dark / 65535, rtol=1e-6)
    assert not caplog.text


def test_what_the_file_declares_counts(write, caplog):
    dark = (GREY * 7).astype(np.uint16)
    path = write(dark, extratags=[(281, 3, 1, 4095, True)])
    np.testing.assert_allclose(read(path)[0], dark / 4095, rtol=1e-6)
    bright = write((GREY * 257).astype(np.uint16), extratags=[(281, 3, 1, 4095, True)])  # it cannot be so
    assert read(bright).max() == 1
    assert not caplog.text


def test_black_alone_is_black(write, caplog):
    assert not read(write(np.zeros((3, 4), np.uint16))).any()
    assert not caplog.text


def test_white_is_a_power_of_two_less_one_up_to_fourteen_bits():
    expected = {0: 255, 200: 255, 256: 511, 4095: 4095, 4096: 8191, 16383: 16383, 16384: 65535, 65535: 65535}
    assert {highest: white_for(highest, 65535) for highest in expected} == expected


def test_values_beyond_sixteen_bits_or_below_zero_are_refused(write):
    with pytest.raises(InputError, match=r"a.tif: values reach from 0 to 25500000; store it with 8 or 16 bits"):
        read(write(GREY.astype(np.int32) * 100000))
    with pytest.raises(InputError, match=r"values reach from -1 to 254"):
        read(write(GREY.astype(np.int16) - 1))


def test_transparent_parts_of_sixteen_bits_become_white(tmp_path):
    pixels = np.array([[[65535, 0, 257, 65535], [65535, 0, 257, 0]]], np.uint16)
    image = read(write_png(tmp_path / "a.png", pixels, 6))
    np.testing.assert_allclose(image[:, 0, 0], [1, 0, 1 / 255], atol=1e-6)
    np.testing.assert_allclose(image[:, 0, 1], 1)


@pytest.mark.parametrize("mode", ["CMYK", "LA", "P", "1", "RGBA", "YCbCr"])
def test_pictures_of_eight_bits_look_as_pillow_shows_them(tmp_path, mode, caplog):
    picture = Image.fromarray(GREY.astype(np.uint8)).convert(mode)
    name = "a.tif" if mode in ("CMYK", "YCbCr") else "a.png"
    picture.save(tmp_path / name)
    expected = np.asarray(Image.open(tmp_path / name).convert("RGB"), np.float32) / 255
    with caplog.at_level(logging.INFO):
        np.testing.assert_allclose(np.moveaxis(read(tmp_path / name), 0, -1), expected)
    assert not [record for record in caplog.records if record.name.startswith("shared.")]


def test_alpha_has_as_many_bits_as_the_colours(tmp_path):
    grey = np.linspace(0, 4095, 24).round().reshape(4, 6)
    for white in (4095, 65535):
        rgba = np.dstack([grey, grey, grey, np.full_like(grey, white)]).astype(np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
        np.testing.assert_allclose(picture_colours(open_picture(tmp_path / "a.tif"))[0], grey / 4095, atol=1e-6)
