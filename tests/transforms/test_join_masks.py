import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image
from written_pictures import save

from shared.errors import InputError
from shared.transforms import JoinMasksd, LoadPictured

ROWS, COLUMNS = 3, 5


@pytest.fixture
def image(tmp_path):
    return save(tmp_path / "a.png", np.zeros((ROWS, COLUMNS, 3), np.uint8))


def spot(row, column, value=255, rest=0):
    mask = np.full((ROWS, COLUMNS), rest, np.uint8)
    mask[row, column] = value
    return mask


def join(image, masks):
    return JoinMasksd()(LoadPictured()({"image": image, "mask": masks, "class": 1}))


def marked(label):
    return torch.nonzero(label[0]).tolist()


def test_several_masks_become_one_label(image, tmp_path):
    masks = {"m.png": spot(0, 4), "m_1.png": spot(2, 1), "m_2.png": spot(2, 1)}
    joined = join(image, [save(tmp_path / name, mask) for name, mask in masks.items()])
    label = joined["label"]
    assert isinstance(label, MetaTensor)
    assert label.shape == (1, ROWS, COLUMNS)
    assert label.dtype == torch.int8
    assert marked(label) == [[0, 4], [2, 1]]
    assert label.max() == 1
    assert "mask" not in joined
    assert joined["class"] == 1
    torch.testing.assert_close(label.affine, joined["image"].affine)


def test_no_mask_means_no_lesion(image):
    label = join(image, [])["label"]
    assert label.shape == (1, ROWS, COLUMNS)
    assert label.dtype == torch.int8
    assert not label.any()


def test_the_threshold_is_127(image, tmp_path):
    values = spot(1, 1, 128) + spot(1, 2, 127) + spot(1, 3, 255)
    assert marked(join(image, [save(tmp_path / "m.png", values)])["label"]) == [[1, 1], [1, 3]]


@pytest.mark.parametrize("mode", ["1", "RGB", "P"])
def test_masks_of_one_bit_in_colours_or_with_a_palette_are_read(image, tmp_path, mode):
    mask = save(tmp_path / "m.png", Image.fromarray(spot(1, 2)).convert(mode))
    assert marked(join(image, [mask])["label"]) == [[1, 2]]


def test_a_mask_of_zeros_and_ones_marks_its_ones(image, tmp_path):
    masks = [save(tmp_path / "m.png", spot(1, 2, 1)), save(tmp_path / "none.png", spot(1, 2, 0))]
    assert marked(join(image, masks)["label"]) == [[1, 2]]


def test_the_input_stays_as_it_was(image, tmp_path):
    data = LoadPictured()({"image": image, "mask": [save(tmp_path / "m.png", spot(1, 2))]})
    JoinMasksd()(data)
    assert "label" not in data
    assert len(data["mask"]) == 1


def test_label_and_picture_do_not_share_their_meta(image):
    joined = join(image, [])
    joined["label"].meta["affine"][0, 0] = 7
    assert joined["image"].meta["affine"][0, 0] != 7


def test_a_case_without_the_key_of_masks_is_refused_unless_keys_may_be_missing(image):
    with pytest.raises(KeyError, match="mask"):
        JoinMasksd()(LoadPictured()({"image": image}))
    assert "label" not in JoinMasksd(allow_missing_keys=True)(LoadPictured()({"image": image}))


def test_bad_masks_are_named(image, tmp_path):
    with pytest.raises(InputError, match=r"m.png: is 4 x 2 pixels, but its image .*a.png is 5 x 3"):
        join(image, [save(tmp_path / "m.png", np.zeros((2, 4), np.uint8))])
    with pytest.raises(InputError, match=r"m.png: its highest value is 75; store a mask with 255"):
        join(image, [save(tmp_path / "m.png", spot(1, 1, 75))])
    with pytest.raises(InputError, match=r"absent.png: no such file"):
        join(image, [str(tmp_path / "absent.png")])
    with pytest.raises(ValueError, match="give one"):
        JoinMasksd(["mask", "other"])
