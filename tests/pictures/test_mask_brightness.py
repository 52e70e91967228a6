import numpy as np
import pytest
import tifffile
from PIL import Image

from shared.errors import InputError
from shared.pictures import bright_part, open_picture

LESION = np.zeros((24, 32), bool)
LESION[6:14, 8:20] = True
BLACK, WHITE, RED, BLUE, YELLOW, WINE = (0,) * 3, (255,) * 3, (255, 0, 0), (0, 0, 255), (255, 255, 0), (128, 0, 0)


@pytest.fixture
def read(tmp_path):
    def save_and_read(picture, name="a.png", **options):
        picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        picture.save(tmp_path / name, **options)
        return bright_part(open_picture(tmp_path / name))

    return save_and_read


def drawn(lesion, rest):
    return np.where(LESION[..., None], lesion, rest).astype(np.uint8)


def palette(numbers, *colours):
    picture = Image.fromarray(numbers.astype(np.uint8)).convert("P")
    picture.putpalette([value for colour in colours for value in colour])
    return picture


@pytest.mark.parametrize(
    ("lesion", "rest"),
    [(WHITE, BLACK), (RED, BLACK), (BLUE, BLACK), (WINE, BLACK), (YELLOW, BLUE), (YELLOW, (60, 0, 80))],
)
def test_colours_count_and_not_their_places_in_a_palette(read, lesion, rest):
    np.testing.assert_array_equal(read(drawn(lesion, rest)), LESION)
    np.testing.assert_array_equal(read(palette(LESION, rest, lesion)), LESION)
    np.testing.assert_array_equal(read(palette(~LESION, lesion, rest)), LESION)
    np.testing.assert_array_equal(read(palette(~LESION, lesion, rest), "a.bmp"), LESION)


def test_one_bit_and_palettes_of_one_bit(read, tmp_path):
    np.testing.assert_array_equal(read(LESION), LESION)
    np.testing.assert_array_equal(read(palette(~LESION, WHITE, BLACK), bits=1), LESION)
    for photometric, stored in (("minisblack", LESION), ("miniswhite", ~LESION)):
        tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric)
        np.testing.assert_array_equal(bright_part(open_picture(tmp_path / "a.tif")), LESION)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_white_is_white_where_it_is_stored_as_zero(tmp_path, kind, order):
    stored = np.where(LESION, 0, np.iinfo(kind).max).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite", byteorder=order)
    np.testing.assert_array_equal(bright_part(open_picture(tmp_path / "a.tif")), LESION)


@pytest.mark.parametrize("white", [1, 255, 4095, 65535])
def test_masks_of_sixteen_bits(read, white):
    np.testing.assert_array_equal(read((LESION * white).astype(np.uint16)), LESION)


def test_a_palette_without_different_colours_is_read_by_its_numbers(read):
    np.testing.assert_array_equal(read(palette(LESION, BLACK, BLACK)), LESION)
    np.testing.assert_array_equal(read(palette(LESION, BLACK, (40, 40, 40))), LESION)


def test_alpha_counts_only_if_all_else_is_the_same(read):
    alpha = np.where(LESION, 255, 0).astype(np.uint8)
    for grey in (0, 255):
        flat = np.full_like(alpha, grey)
        np.testing.assert_array_equal(read(np.dstack([flat, flat, flat, alpha])), LESION)
        np.testing.assert_array_equal(read(Image.fromarray(np.dstack([flat, alpha]), "LA")), LESION)
    np.testing.assert_array_equal(read(palette(LESION, BLACK, BLACK), transparency=0), LESION)
    for others in (255 - alpha, np.full_like(alpha, 255), np.zeros_like(alpha)):
        np.testing.assert_array_equal(read(np.dstack([drawn(WHITE, BLACK), others])), LESION)


def test_no_lesion(read):
    assert not read(np.dstack([drawn(WHITE, WHITE), np.zeros(LESION.shape, np.uint8)])).any(), "all is transparent"
    assert not read(np.zeros_like(LESION)).any()
    assert not read(palette(np.zeros_like(LESION), BLACK)).any()
    assert not read(np.dstack([np.zeros((*LESION.shape, 3)), np.full(LESION.shape, 255)]).astype(np.uint8)).any()


@pytest.mark.parametrize(
    "picture",
    [
        np.full(LESION.shape, 255, np.uint8),
        np.ones(LESION.shape, np.uint8),
        np.full(LESION.shape, 65535, np.uint16),
        palette(np.zeros_like(LESION), WHITE),
        palette(LESION, (250, 250, 250), WHITE),
    ],
    ids=["white", "ones", "deep", "palette", "two whites"],
)
def test_a_mask_that_fills_the_picture_is_refused(read, picture):
    with pytest.raises(InputError, match=r"a.png: all of this mask is bright, .* store a mask with 255 \(or 1\)"):
        read(picture)


@pytest.mark.parametrize(("lesion", "rest"), [(RED, WHITE), (BLUE, WHITE), (BLUE, YELLOW)])
def test_colours_that_do_not_tell_what_the_lesion_is_are_refused(read, lesion, rest):
    for picture in (drawn(lesion, rest), palette(LESION, rest, lesion)):
        with pytest.raises(InputError, match=r"a.png: its colours do not separate the lesion from the background"):
            read(picture)
    hole = np.dstack([np.zeros((*LESION.shape, 3)), np.where(LESION, 0, 255)]).astype(np.uint8)
    with pytest.raises(InputError, match=r"do not separate the lesion from the background"):
        read(hole)


def test_a_picture_is_no_mask(read):
    colours = np.random.default_rng(0).integers(0, 255, (*LESION.shape, 3), dtype=np.uint8)
    with pytest.raises(InputError, match=r"a.png: holds many colours, like the image itself; give its mask"):
        read(colours)


def test_a_mask_turned_over_is_refused(read):
    outside_white = np.dstack([drawn(BLACK, WHITE), np.where(LESION, 255, 0)]).astype(np.uint8)
    for picture in (drawn(BLACK, WHITE), palette(LESION, WHITE, BLACK), outside_white):
        with pytest.raises(InputError, match=r"a.png: is bright in 88% of the image and in all its corners"):
            read(picture)


def test_half_transparent_shapes(read):
    flat = np.zeros_like(LESION, np.uint8)
    np.testing.assert_array_equal(read(np.dstack([flat, flat, flat, (LESION * 100).astype(np.uint8)])), LESION)


def test_lesions_of_different_brightness_are_refused_rather_than_lost(read):
    second = np.roll(LESION, 9, axis=0)
    for picture in (LESION * 255 + second * 85, LESION * 170 + second * 85):
        with pytest.raises(InputError, match=r"a.png: has parts of brightness 85 and of (255|170); store a mask"):
            read(picture.astype(np.uint8))
    with pytest.raises(InputError, match="has parts of brightness 64 and of 128"):
        read(palette(LESION + 2 * second, BLACK, WINE, (64, 0, 0)))


def test_a_grey_picture_is_no_mask(read):
    shades = np.random.default_rng(0).integers(0, 255, LESION.shape, dtype=np.uint8)
    with pytest.raises(InputError, match=r"a.png: holds many shades, as an image does; give its mask"):
        read(shades)


def test_a_blurred_mask_is_cut_at_127(read):
    soft = np.array([[0, 60, 127, 128, 200, 255]], np.uint8).repeat(6, axis=0)
    assert read(soft)[0].tolist() == [False, False, False, True, True, True]
    found = read(drawn(WHITE, BLACK), "a.jpg", quality=60)
    assert (found == LESION).mean() > 0.98
