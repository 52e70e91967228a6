import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFilter

from shared.errors import InputError
from shared.pictures import label_numbers, number_components, open_picture

NUMBERS = np.kron(np.array([[0, 1, 0, 2], [0, 3, 0, 4], [0, 0, 0, 0]]), np.ones((40, 40), int)).astype(np.uint8)
BINARY = np.where(NUMBERS > 0, 255, 0).astype(np.uint8)


@pytest.fixture
def read(tmp_path):
    def save_and_read(picture, name="a.png", one_number=False):
        picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        picture.save(tmp_path / name)
        return label_numbers(open_picture(tmp_path / name), one_number)

    return save_and_read


def with_palette(numbers, *colours):
    picture = Image.fromarray(numbers).convert("P")
    picture.putpalette([value for colour in colours for value in colour])
    return picture


def test_numbers_of_a_palette_count_whatever_their_colours(read):
    for colours in (
        [(255, 255, 255), (0, 0, 0), (9, 9, 9), (99, 0, 0), (0, 200, 0)],
        [(0, 0, 0)] + [(255, 255, 255)] * 4,  # objects are drawn white
        [(0, 0, 0)] * 5,
    ):
        np.testing.assert_array_equal(read(with_palette(NUMBERS, *colours)), NUMBERS)


def test_in_a_mask_with_a_palette_of_black_and_white_colours_count(read):
    outside_first = with_palette((NUMBERS > 0).astype(np.uint8), (0, 0, 0), (255, 255, 255))
    glands_first = with_palette((NUMBERS == 0).astype(np.uint8), (255, 255, 255), (0, 0, 0))
    for picture in (outside_first, glands_first):
        np.testing.assert_array_equal(read(picture, one_number=True), BINARY)
        np.testing.assert_array_equal(read(picture), np.asarray(picture))
    np.testing.assert_array_equal(
        read(with_palette(NUMBERS, (0, 0, 0), *[(255, 255, 255)] * 4), one_number=True), NUMBERS
    )


def test_shape_in_alpha(read):
    for grey in (0, 255):
        flat = np.full_like(BINARY, grey)
        np.testing.assert_array_equal(read(Image.fromarray(np.stack([flat, BINARY], -1), "LA")), BINARY)
        np.testing.assert_array_equal(read(np.stack([flat, flat, flat, BINARY], -1)), BINARY)
    opaque = np.full_like(BINARY, 255)
    np.testing.assert_array_equal(read(np.stack([NUMBERS, NUMBERS, NUMBERS, opaque], -1)), NUMBERS)
    np.testing.assert_array_equal(read(np.stack([NUMBERS, NUMBERS, NUMBERS, BINARY], -1)), NUMBERS)
    np.testing.assert_array_equal(read(np.stack([flat, flat, flat, BINARY // 3], -1)), BINARY)


def test_one_bit(read):
    np.testing.assert_array_equal(read(NUMBERS > 0), NUMBERS > 0)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("order", ["<", ">"])
def test_where_white_is_zero_the_numbers_with_a_zero_count(tmp_path, kind, order):
    path, largest = tmp_path / "a.tif", min(np.iinfo(kind).max, 65535)
    for stored in (NUMBERS.astype(kind), (largest - NUMBERS.astype(np.int64)).astype(kind)):
        tifffile.imwrite(path, stored, photometric="miniswhite", byteorder=order)
        np.testing.assert_array_equal(label_numbers(open_picture(path)), NUMBERS)
    shown = np.where(NUMBERS > 0, 0, largest).astype(kind)  # both hold a 0, so white is the object, as in a mask
    tifffile.imwrite(path, shown, photometric="miniswhite", byteorder=order)
    np.testing.assert_array_equal(label_numbers(open_picture(path)), np.where(NUMBERS > 0, largest, 0))


def test_a_soft_border_between_black_and_white_is_cut_in_the_middle(read):
    blurred = Image.fromarray(BINARY).filter(ImageFilter.GaussianBlur(0.7))
    for name, picture in (("a.png", blurred), ("a.jpg", Image.fromarray(BINARY)), ("b.jpg", blurred.convert("RGB"))):
        found = read(picture, name)
        assert np.unique(found).tolist() == [0, 255]
        assert (found == BINARY).mean() > 0.99


def test_few_shades_at_the_border_of_a_mask_are_no_objects(read):
    half = Image.fromarray(BINARY).resize((81, 61), Image.Resampling.BOX)
    assert set(np.unique(half)) - {0, 255}
    assert np.unique(read(half)).tolist() == [0, 255]
    wide = Image.fromarray(BINARY).filter(ImageFilter.GaussianBlur(6))  # its border is larger than its white
    assert np.unique(read(wide)).tolist() == [0, 255]


def test_numbers_in_a_jpeg_are_refused(read):
    with pytest.raises(InputError, match=r"a.jpg: JPEG changes the numbers of a label map; store it as PNG"):
        read(NUMBERS * 20, "a.jpg")
    assert not read(np.zeros_like(NUMBERS), "a.jpg").any()


def test_many_numbers_up_to_white_are_no_soft_border(read):
    many = np.arange(240, dtype=np.uint8).repeat(10).reshape(40, 60)
    np.testing.assert_array_equal(read(many), many)
    few = np.array([[0, 1, 128, 255]], np.uint8).repeat(30, axis=0)
    np.testing.assert_array_equal(read(few), few)


def test_components_of_one_number():
    components, count = number_components(BINARY.astype(int))
    assert count == 2  # the upper and the lower one of a column touch
    assert components.max() == 2
    corners = np.array([[7, 0, 0], [0, 7, 0], [0, 0, 0], [0, 7, 7]])
    np.testing.assert_array_equal(number_components(corners)[0], [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 2, 2]])
    for untouched, pieces in ((NUMBERS, 0), (np.zeros((3, 3), int), 0), (np.eye(3, dtype=int) * 5, 1)):
        numbers, count = number_components(untouched)
        np.testing.assert_array_equal(numbers, untouched)
        assert count == pieces
