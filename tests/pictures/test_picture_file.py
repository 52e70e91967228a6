import numpy as np
import pytest
import tifffile
from deep_png import chunk, write_png
from PIL import Image, ImageOps

from shared.errors import InputError
from shared.pictures import open_picture, stores_many_bits

ROWS, COLUMNS = 6, 9
RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (ROWS, COLUMNS), dtype=np.uint8)
DEEP = RANDOM.integers(0, 65536, (ROWS, COLUMNS), dtype=np.uint16)
DEEP_COLOURS = RANDOM.integers(0, 65536, (ROWS, COLUMNS, 3), dtype=np.uint16)
TURNED = {  # what a viewer shows, after the EXIF specification
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(np.transpose(stored), 2),
    8: np.rot90,
}


def tagged(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("options", [{}, {"compression": "tiff_adobe_deflate"}], ids=["raw", "deflate"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_turned_as_viewers_turn_it(tmp_path, suffix, options, orientation):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(GREY).save(path, exif=tagged(orientation), **(options if suffix == ".tif" else {}))
    np.testing.assert_array_equal(np.asarray(open_picture(path).shown), TURNED[orientation](GREY))


@pytest.mark.parametrize("orientation", TURNED)
def test_deep_values_are_turned_too(tmp_path, orientation):
    for name, order in (("little.tif", "<"), ("big.tif", ">")):
        tifffile.imwrite(tmp_path / name, DEEP, byteorder=order, extratags=[(274, 3, 1, orientation, True)])
        np.testing.assert_array_equal(open_picture(tmp_path / name).deep, TURNED[orientation](DEEP))


def test_a_jpeg_is_turned_and_an_unknown_tag_does_nothing(tmp_path):
    smooth = np.repeat(np.linspace(0, 255, 40, dtype=np.uint8)[None], 16, axis=0)
    for orientation, expected in ((6, np.rot90(smooth, -1)), (9, smooth), (0, smooth)):
        Image.fromarray(smooth).save(tmp_path / "a.jpg", exif=tagged(orientation), quality=95)
        shown = np.asarray(open_picture(tmp_path / "a.jpg").shown).astype(int)
        assert np.abs(shown - expected).max() < 8
    reference = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg")))
    np.testing.assert_array_equal(shown, reference)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [np.uint16, np.uint32, np.int32])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_deep_grey_is_read_as_stored(tmp_path, order, kind, photometric, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, DEEP.astype(kind), byteorder=order, photometric=photometric, compression=compression)
    picture = open_picture(path)
    np.testing.assert_array_equal(picture.deep, DEEP)
    assert picture.white_is_zero is (photometric == "miniswhite")
    assert picture.highest == 65535
    assert stores_many_bits(path)


def test_colours_keep_all_their_bits(tmp_path):
    stored = {"a.png": write_png(tmp_path / "a.png", DEEP_COLOURS, 2)}
    for name, options in {
        "little.tif": {},
        "big.tif": {"byteorder": ">"},
        "packed.tif": {"compression": "zlib"},
        "packed_big.tif": {"compression": "zlib", "byteorder": ">"},
    }.items():
        stored[name] = tmp_path / name
        tifffile.imwrite(stored[name], DEEP_COLOURS, photometric="rgb", **options)
    for name, path in stored.items():
        np.testing.assert_array_equal(open_picture(path).deep, DEEP_COLOURS, err_msg=name)
        assert stores_many_bits(path)
    transparent = np.concatenate([DEEP_COLOURS, DEEP[..., None]], axis=-1)
    np.testing.assert_array_equal(open_picture(write_png(tmp_path / "b.png", transparent, 6)).deep, transparent)
    grey = DEEP_COLOURS[..., :2]  # grey and alpha
    np.testing.assert_array_equal(open_picture(write_png(tmp_path / "c.png", grey, 4)).deep, grey[..., [0, 0, 0, 1]])


def test_colours_in_planes_of_sixteen_bits_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(DEEP_COLOURS, -1, 0), photometric="rgb", planarconfig="separate")
    with pytest.raises(InputError, match=r"a.tif: holds its colours one after the other in 16 bits; store it with 8"):
        open_picture(tmp_path / "a.tif")


def test_eight_bits_are_no_deep_values(tmp_path):
    for name, mode in (("a.png", "L"), ("b.png", "RGB"), ("c.tif", "CMYK"), ("d.png", "P"), ("e.png", "LA")):
        Image.fromarray(GREY).convert(mode).save(tmp_path / name)
        assert open_picture(tmp_path / name).deep is None
        assert not stores_many_bits(tmp_path / name)
    assert not stores_many_bits(tmp_path / "absent.png")
    with Image.open(tmp_path / "b.png") as picture:
        picture.convert("RGB").save(tmp_path / "f.bmp")
    assert open_picture(tmp_path / "f.bmp").deep is None


def test_what_the_file_declares_as_white(tmp_path):
    assert open_picture(write_png(tmp_path / "a.png", DEEP[..., None], 0)).white is None
    assert open_picture(write_png(tmp_path / "b.png", DEEP[..., None], 0, chunk(b"sBIT", b"\x0c"))).white == 4095
    tifffile.imwrite(tmp_path / "c.tif", DEEP, extratags=[(281, 3, 1, 1023, True)])
    assert open_picture(tmp_path / "c.tif").white == 1023
