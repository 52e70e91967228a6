"""The colours of a picture file, as a network takes them."""

import warnings

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image
from written_pictures import COLOURS, COLUMNS, ROWS, load, save

from shared.errors import InputError
from shared.transforms import LoadPictured, source_file


@pytest.mark.parametrize("name", ["train_1.bmp", "train_1.png", "train_1.tif", "train_1.TIFF"])
def test_rows_come_first_and_values_reach_from_0_to_1(tmp_path, name):
    loaded = load(save(tmp_path / name, COLOURS))
    image = loaded["image"]
    assert image.shape == (3, ROWS, COLUMNS)
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    assert image[0, 3, 1] * 255 == 120
    assert image[1, 3, 1] * 255 == 30
    torch.testing.assert_close(image.as_tensor(), torch.from_numpy(COLOURS).movedim(-1, 0) / 255)
    assert loaded["case"] == "train_1"
    assert source_file(image, "").endswith(name)
    assert tuple(image.meta["spatial_shape"]) == (ROWS, COLUMNS)


def test_a_jpeg_is_read_as_its_colours(tmp_path):
    smooth = np.full_like(COLOURS, (200, 100, 50))
    image = load(save(tmp_path / "a.jpg", smooth, quality=95))["image"]
    torch.testing.assert_close(image[:, 2, 2].as_tensor(), torch.tensor((200, 100, 50)) / 255, atol=0.02, rtol=0)


def test_grey_becomes_three_equal_channels(tmp_path):
    grey = COLOURS[..., 2]
    image = load(save(tmp_path / "a.png", grey))["image"]
    assert image.shape == (3, ROWS, COLUMNS)
    for channel in image:
        np.testing.assert_allclose(channel * 255, grey, rtol=1e-6)
    assert load(save(tmp_path / "b.png", grey > 20))["image"].unique().tolist() == [0, 1]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_divided_by_their_highest_value(tmp_path, name):
    deep = COLOURS[..., 2].astype(np.uint16) * 1000
    deep[0, 0] = 65535
    image = load(save(tmp_path / name, deep))["image"]
    assert image.shape == (3, ROWS, COLUMNS)
    np.testing.assert_allclose(image[1], deep / 65535, rtol=1e-6)


def test_a_palette_becomes_colours(tmp_path):
    picture = Image.fromarray(COLOURS).quantize(ROWS * COLUMNS)
    image = load(save(tmp_path / "a.png", picture))["image"]
    np.testing.assert_allclose(np.moveaxis(image.numpy(), 0, -1) * 255, picture.convert("RGB"), rtol=1e-6)


def test_transparent_parts_are_laid_over_white(tmp_path):
    pixels = np.array([[[100, 0, 50, 255], [100, 0, 50, 0], [100, 0, 50, 51]]], np.uint8)  # 51 is a fifth
    image = load(save(tmp_path / "a.png", pixels))["image"]
    expected = [[100, 0, 50], [255, 255, 255], [0.2 * 100 + 0.8 * 255, 0.8 * 255, 0.2 * 50 + 0.8 * 255]]
    np.testing.assert_allclose(image[:, 0].T * 255, expected, atol=0.5)
    grey = np.array([[[100, 255], [100, 0]]], np.uint8)
    assert (load(save(tmp_path / "b.png", Image.fromarray(grey, "LA")))["image"][:, 0, 1] == 1).all()
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.putpalette([9, 9, 9, 200, 0, 0])
    assert load(save(tmp_path / "c.png", palette, transparency=1))["image"][:, 0, 1].tolist() == [1, 1, 1]


def test_pictures_of_a_data_set_are_scaled_alike(tmp_path):
    dark, bright = np.array([[0, 500]], np.uint16), np.array([[0, 4000]], np.uint16)
    for name, values in (("dark.png", dark), ("bright.png", bright)):
        loaded = load(save(tmp_path / name, values), highest_value=4000)
        np.testing.assert_allclose(loaded["image"][0], values / 4095, rtol=1e-6)
        assert "highest_value" not in loaded


def test_what_is_a_tensor_or_no_picture_stays(tmp_path):
    tensor = MetaTensor(torch.zeros(3, 2, 2))
    item = {"image": tensor, "grade": 1, "case": "mine", "instances": np.zeros((1, 2, 2), np.int32)}
    loaded = LoadPictured("image")(item)
    assert loaded == item
    assert loaded["image"] is tensor
    assert LoadPictured("image")({"image": save(tmp_path / "a.png", COLOURS), "case": "mine"})["case"] == "mine"
    assert LoadPictured("image", allow_missing_keys=True)({"grade": 1}) == {"grade": 1}
    with pytest.raises(InputError, match="case : has no image under 'image'; give one"):
        LoadPictured("image")({"grade": 1})


@pytest.mark.parametrize("kind", [np.uint8, np.int32])
def test_what_was_read_may_be_changed_in_place(tmp_path, kind):
    path, label = save(tmp_path / "a.png", COLOURS), save(tmp_path / "a_anno.tif", COLOURS[..., 0].astype(kind))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PyTorch warns of memory that belongs to Pillow
        loaded = load(path, instances=label)
    for key in ("image", "instances"):
        loaded[key] += 1
    assert load(path, instances=label)["instances"].min() == 0
