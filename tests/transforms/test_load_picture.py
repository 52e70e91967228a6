import warnings

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

from shared.errors import InputError
from shared.metrics import object_f1
from shared.transforms import LoadPictured, gland_instances, source_file

ROWS, COLUMNS = 4, 7


@pytest.fixture
def colours():
    """A picture (H, W, 3) whose every value says where it lies: red the row, green the column, blue both."""
    row, column = np.mgrid[:ROWS, :COLUMNS]
    return np.stack([40 * row, 30 * column, 10 * row + column], axis=-1).astype(np.uint8)


@pytest.fixture
def write(tmp_path):
    def save(name, array, mode=None, **options):
        picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
        (picture if mode is None else picture.convert(mode)).save(tmp_path / name, **options)
        return str(tmp_path / name)

    return save


def load(path, **labels):
    return LoadPictured("image")({"image": path, **labels})


@pytest.mark.parametrize("name", ["train_1.bmp", "train_1.png", "train_1.tif", "train_1.TIFF"])
def test_rows_come_first_and_values_reach_from_0_to_1(write, colours, name):
    loaded = load(write(name, colours))
    image = loaded["image"]
    assert image.shape == (3, ROWS, COLUMNS)
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    assert image[0, 3, 1] * 255 == 120
    assert image[1, 3, 1] * 255 == 30
    torch.testing.assert_close(image.as_tensor(), torch.from_numpy(colours).movedim(-1, 0) / 255)
    assert loaded["case"] == "train_1"
    assert source_file(image, "").endswith(name)
    assert tuple(image.meta["spatial_shape"]) == (ROWS, COLUMNS)


def test_jpeg(write, colours):
    smooth = np.full_like(colours, (200, 100, 50))
    image = load(write("a.jpg", smooth, quality=95))["image"]
    torch.testing.assert_close(image[:, 2, 2].as_tensor(), torch.tensor((200, 100, 50)) / 255, atol=0.02, rtol=0)


def test_grey_becomes_three_equal_channels(write, colours):
    grey = colours[..., 2]
    image = load(write("a.png", grey))["image"]
    assert image.shape == (3, ROWS, COLUMNS)
    for channel in image:
        np.testing.assert_allclose(channel * 255, grey, rtol=1e-6)
    assert load(write("b.png", grey > 20))["image"].unique().tolist() == [0, 1]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_divided_by_their_highest_value(write, colours, name):
    deep = colours[..., 2].astype(np.uint16) * 1000
    deep[0, 0] = 65535
    image = load(write(name, deep))["image"]
    assert image.shape == (3, ROWS, COLUMNS)
    np.testing.assert_allclose(image[1], deep / 65535, rtol=1e-6)


def test_a_palette_becomes_colours(write, colours):
    picture = Image.fromarray(colours).quantize(ROWS * COLUMNS)
    image = load(write("a.png", picture))["image"]
    np.testing.assert_allclose(np.moveaxis(image.numpy(), 0, -1) * 255, picture.convert("RGB"), rtol=1e-6)


def test_transparent_parts_are_laid_over_white(write):
    pixels = np.array([[[100, 0, 50, 255], [100, 0, 50, 0], [100, 0, 50, 51]]], np.uint8)  # 51 is a fifth
    image = load(write("a.png", pixels))["image"]
    expected = [[100, 0, 50], [255, 255, 255], [0.2 * 100 + 0.8 * 255, 0.8 * 255, 0.2 * 50 + 0.8 * 255]]
    np.testing.assert_allclose(image[:, 0].T * 255, expected, atol=0.5)
    grey = np.array([[[100, 255], [100, 0]]], np.uint8)
    assert (load(write("b.png", Image.fromarray(grey, "LA")))["image"][:, 0, 1] == 1).all()
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.putpalette([9, 9, 9, 200, 0, 0])
    assert load(write("c.png", palette, transparency=1))["image"][:, 0, 1].tolist() == [1, 1, 1]


def test_picture_and_label_are_turned_each_by_its_own_tag(write, colours):
    turn, half = Image.Exif(), Image.Exif()
    turn[0x0112], half[0x0112] = 6, 3  # to be shown a quarter clockwise, upside down
    numbers = colours[..., 2]
    image = write("a.png", np.rot90(colours), exif=turn)
    loaded = load(image, instances=write("m.png", numbers), label=write("l.png", np.rot90(numbers, 2), exif=half))
    np.testing.assert_allclose(np.moveaxis(loaded["image"].numpy(), 0, -1) * 255, colours, rtol=1e-6)
    np.testing.assert_array_equal(loaded["instances"][0], numbers)
    np.testing.assert_array_equal(loaded["label"][0], numbers)
    assert tuple(loaded["image"].meta["spatial_shape"]) == (ROWS, COLUMNS)


def test_one_number_for_all_objects(write, colours, caplog):
    numbers = np.zeros((ROWS, COLUMNS), np.uint8)
    numbers[0, :2] = numbers[2:, 3:5] = 255
    image, path = write("a.png", colours), write("m.png", numbers)
    by_file = load(image, instances=path, label=path)
    assert by_file["instances"].unique().tolist() == [0, 1, 2]
    assert by_file["label"].unique().tolist() == [0, 255], "regions are classes and stay as they are"
    assert "m.png: all objects have one number; the 2 connected components are taken as objects" in caplog.text
    told = load(image, instances=path, one_number=False)
    assert told["instances"].unique().tolist() == [0, 255]
    assert "one_number" not in told
    caplog.clear()
    assert load(image, instances=path, one_number=True)["instances"].max() == 2
    assert not caplog.text


def test_a_ground_that_counts_as_an_object_is_refused(write, colours):
    glands = np.zeros((ROWS, COLUMNS), np.uint8)
    glands[1:3, 1:3] = glands[1, 5] = 1
    picture = write("a.png", colours)
    for number, turned in {255: 255 * (1 - glands), 1: 1 + glands, 7: 7 * (1 - glands)}.items():
        with pytest.raises(InputError, match=rf"b.png: object {number} has all four corners, as the ground does"):
            load(picture, instances=write("b.png", turned))
        assert load(picture, label=write("b.png", turned))["label"].max() == turned.max()  # regions may have corners


def test_a_perfect_segmentation_of_a_mask_scores_one(write):
    mask = np.zeros((60, 90), np.uint8)
    mask[5:25, 5:40] = mask[32:55, 20:80] = 255
    loaded = load(write("a.png", np.dstack([mask] * 3)), instances=write("m.png", mask))
    found = gland_instances((mask > 0).astype(int), pixel_size_um=0.62)
    assert object_f1([found], [loaded["instances"][0]]) == 1
    assert object_f1([found], [mask.astype(int)]) < 1


def test_pictures_of_a_data_set_are_scaled_alike(write):
    dark, bright = np.array([[0, 500]], np.uint16), np.array([[0, 4000]], np.uint16)
    for name, values in (("dark.png", dark), ("bright.png", bright)):
        loaded = load(write(name, values), highest_value=4000)
        np.testing.assert_allclose(loaded["image"][0], values / 4095, rtol=1e-6)
        assert "highest_value" not in loaded


def test_labels_are_whole_numbers_however_they_are_stored(write, colours):
    numbers = (np.arange(ROWS * COLUMNS) % 5).reshape(ROWS, COLUMNS).astype(np.uint8)
    with_palette = Image.fromarray(numbers).convert("P")
    with_palette.putpalette([40, 30, 9, 7, 7, 255, 200, 0, 0, 255, 255, 0, 90, 90, 1])
    stored = {
        "grey.bmp": numbers,
        "palette.png": with_palette,
        "palette.bmp": with_palette,
        "deep.png": numbers.astype(np.uint16),
        "deep.tif": numbers.astype(np.int32),
        "thrice.bmp": np.stack([numbers] * 3, axis=-1),
        "opaque.png": Image.merge("LA", (Image.fromarray(numbers), Image.new("L", (COLUMNS, ROWS), 255))),
        "thrice_and_opaque.png": np.stack([*[numbers] * 3, np.full_like(numbers, 255)], axis=-1),
    }
    image = write("image.png", colours)
    for name, picture in stored.items():
        loaded = load(image, instances=write(name, picture), label=write("l.png", numbers % 3))
        assert loaded["instances"].dtype == loaded["label"].dtype == torch.int32
        assert loaded["instances"].shape == (1, ROWS, COLUMNS)
        np.testing.assert_array_equal(loaded["instances"][0], numbers, err_msg=name)
        np.testing.assert_array_equal(loaded["label"][0], numbers % 3)
    many = numbers.astype(np.uint16) + 300
    assert load(image, instances=write("many.png", many))["instances"].max() == 304


def test_what_is_a_tensor_or_no_picture_stays(write, colours):
    tensor = MetaTensor(torch.zeros(3, 2, 2))
    item = {"image": tensor, "grade": 1, "case": "mine", "instances": np.zeros((1, 2, 2), np.int32)}
    loaded = LoadPictured("image")(item)
    assert loaded == item
    assert loaded["image"] is tensor
    assert LoadPictured("image")({"image": write("a.png", colours), "case": "mine"})["case"] == "mine"
    assert LoadPictured("image", allow_missing_keys=True)({"grade": 1}) == {"grade": 1}
    with pytest.raises(InputError, match="case : has no image under 'image'; give one"):
        LoadPictured("image")({"grade": 1})


def test_a_label_of_another_size_is_refused(write, colours):
    label = write("train_9_anno.png", np.zeros((COLUMNS, ROWS), np.uint8))
    with pytest.raises(InputError, match=r"train_9_anno.png: is 4 x 7 pixels, but its image .*train_9.png is 7 x 4"):
        load(write("train_9.png", colours), instances=label)


def test_a_label_with_colours_or_fractions_is_refused(write, colours):
    image = write("image.png", colours)
    with pytest.raises(InputError, match=r"anno.png: a label map holds one number per pixel, this image holds col"):
        load(image, instances=write("anno.png", colours))
    with pytest.raises(InputError, match=r"anno.tif: holds fractions; store whole numbers of 8 or 16 bits"):
        load(image, instances=write("anno.tif", np.zeros((ROWS, COLUMNS), np.float32)))


def test_unusual_pictures_are_refused_by_name(write, colours):
    with pytest.raises(InputError, match=r"a.tif: holds fractions; store whole numbers of 8 or 16 bits"):
        load(write("a.tif", colours[..., 0].astype(np.float32)))
    with pytest.raises(InputError, match=r"b.tif: values reach from 0 to 1200000; store it with 8 or 16 bits"):
        load(write("b.tif", colours[..., 0].astype(np.int32) * 10000))
    pages = [Image.fromarray(colours)] * 2
    with pytest.raises(InputError, match=r"c.tif: holds 2 pages; store the page that is meant"):
        load(write("c.tif", pages[0], save_all=True, append_images=pages[1:]))


@pytest.mark.parametrize("name", ["a.bmp", "a.png", "a.tif", "a.jpg"])
def test_a_truncated_file_is_named(tmp_path, write, name):
    noise = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    path = write(name, noise)
    whole = (tmp_path / name).read_bytes()
    for kept in (len(whole) // 2, 20, 0):
        (tmp_path / name).write_bytes(whole[:kept])
        with pytest.raises(InputError, match=rf"{name}: cannot be read as an image, it is damaged") as caught:
            load(path)
        assert "\n" not in str(caught.value)


def test_no_picture_at_all(tmp_path, write, colours):
    (tmp_path / "notes.png").write_text("these are notes")
    with pytest.raises(InputError, match=r"notes.png: cannot be read as an image"):
        load(tmp_path / "notes.png")
    with pytest.raises(InputError, match=r"gone.png: no such file; correct the path"):
        load(str(tmp_path / "gone.png"))
    with pytest.raises(InputError, match=r"no such file"):
        load(write("a.png", colours), label=str(tmp_path))
    with pytest.raises(InputError, match=r"expected the path of an image, got \['a.png', 'b.png'\]"):
        LoadPictured("image")({"image": ["a.png", "b.png"], "case": "a"})


def test_a_picture_that_pillow_holds_for_a_bomb_is_refused_in_one_line(write, colours, monkeypatch):
    path = write("a.png", colours)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", ROWS * COLUMNS // 2 - 1)
    with pytest.raises(InputError, match=r"a.png: cannot be read .* too large; .*DecompressionBombError"):
        load(path)


@pytest.mark.parametrize("kind", [np.uint8, np.int32])
def test_what_was_read_may_be_changed_in_place(write, colours, kind):
    path, label = write("a.png", colours), write("a_anno.tif", colours[..., 0].astype(kind))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PyTorch warns of memory that belongs to Pillow
        loaded = load(path, instances=label)
    for key in ("image", "instances"):
        loaded[key] += 1
    assert load(path, instances=label)["instances"].min() == 0
