"""Label maps and object numbers that are read with a picture."""

import numpy as np
import pytest
import torch
from PIL import Image
from written_pictures import COLOURS, COLUMNS, ROWS, load, save

from shared.errors import InputError
from shared.metrics import object_f1
from shared.transforms import gland_instances


def test_picture_and_label_are_turned_each_by_its_own_tag(tmp_path):
    turn, half = Image.Exif(), Image.Exif()
    turn[0x0112], half[0x0112] = 6, 3  # to be shown a quarter clockwise, upside down
    numbers = COLOURS[..., 2]
    image = save(tmp_path / "a.png", np.rot90(COLOURS), exif=turn)
    loaded = load(
        image,
        instances=save(tmp_path / "m.png", numbers),
        label=save(tmp_path / "l.png", np.rot90(numbers, 2), exif=half),
    )
    np.testing.assert_allclose(np.moveaxis(loaded["image"].numpy(), 0, -1) * 255, COLOURS, rtol=1e-6)
    np.testing.assert_array_equal(loaded["instances"][0], numbers)
    np.testing.assert_array_equal(loaded["label"][0], numbers)
    assert tuple(loaded["image"].meta["spatial_shape"]) == (ROWS, COLUMNS)


def test_objects_with_one_number_are_told_apart_as_connected_components_unless_a_setting_says_no(tmp_path, caplog):
    numbers = np.zeros((ROWS, COLUMNS), np.uint8)
    numbers[0, :2] = numbers[2:, 3:5] = 255
    image, path = save(tmp_path / "a.png", COLOURS), save(tmp_path / "m.png", numbers)
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


def test_a_ground_that_counts_as_an_object_is_refused(tmp_path):
    glands = np.zeros((ROWS, COLUMNS), np.uint8)
    glands[1:3, 1:3] = glands[1, 5] = 1
    picture = save(tmp_path / "a.png", COLOURS)
    for number, turned in {255: 255 * (1 - glands), 1: 1 + glands, 7: 7 * (1 - glands)}.items():
        with pytest.raises(InputError, match=rf"b.png: object {number} has all four corners, as the ground does"):
            load(picture, instances=save(tmp_path / "b.png", turned))
        regions = load(picture, label=save(tmp_path / "b.png", turned))["label"]
        assert regions.max() == turned.max(), "regions may have corners"


def test_a_perfect_segmentation_of_a_mask_scores_one(tmp_path):
    mask = np.zeros((60, 90), np.uint8)
    mask[5:25, 5:40] = mask[32:55, 20:80] = 255
    loaded = load(save(tmp_path / "a.png", np.dstack([mask] * 3)), instances=save(tmp_path / "m.png", mask))
    found = gland_instances((mask > 0).astype(int), pixel_size_um=0.62)
    assert object_f1([found], [loaded["instances"][0]]) == 1
    assert object_f1([found], [mask.astype(int)]) < 1


def test_labels_are_whole_numbers_however_they_are_stored(tmp_path):
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
    image = save(tmp_path / "image.png", COLOURS)
    for name, picture in stored.items():
        loaded = load(image, instances=save(tmp_path / name, picture), label=save(tmp_path / "l.png", numbers % 3))
        assert loaded["instances"].dtype == loaded["label"].dtype == torch.int32
        assert loaded["instances"].shape == (1, ROWS, COLUMNS)
        np.testing.assert_array_equal(loaded["instances"][0], numbers, err_msg=name)
        np.testing.assert_array_equal(loaded["label"][0], numbers % 3)
    many = numbers.astype(np.uint16) + 300
    assert load(image, instances=save(tmp_path / "many.png", many))["instances"].max() == 304


def test_a_label_of_another_size_is_refused(tmp_path):
    label = save(tmp_path / "train_9_anno.png", np.zeros((COLUMNS, ROWS), np.uint8))
    with pytest.raises(InputError, match=r"train_9_anno.png: is 4 x 7 pixels, but its image .*train_9.png is 7 x 4"):
        load(save(tmp_path / "train_9.png", COLOURS), instances=label)


def test_a_label_with_colours_or_fractions_is_refused(tmp_path):
    image = save(tmp_path / "image.png", COLOURS)
    with pytest.raises(InputError, match=r"anno.png: a label map holds one number per pixel, this image holds col"):
        load(image, instances=save(tmp_path / "anno.png", COLOURS))
    with pytest.raises(InputError, match=r"anno.tif: holds fractions; store whole numbers of 8 or 16 bits"):
        load(image, instances=save(tmp_path / "anno.tif", np.zeros((ROWS, COLUMNS), np.float32)))
