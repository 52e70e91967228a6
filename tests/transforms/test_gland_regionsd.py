"""The dictionary transform, and what it refuses."""

import numpy as np
import pytest
import torch
from grey_glands import BRIGHT, DARK, disc, numbers, picture
from monai.data import MetaTensor

from shared.errors import InputError
from shared.transforms import GlandRegionsd, gland_regions


def test_the_dictionary_version_adds_a_label_or_keeps_the_stored_one():
    gland = disc(80, 30)
    item = {"image": picture(np.where(disc(80, 15), BRIGHT, DARK)), "instances": MetaTensor(numbers(gland)), "grade": 1}
    derived = GlandRegionsd(1.0)(item)
    assert "label" not in item
    assert derived["label"].dtype == torch.int8
    assert derived["label"].shape == (1, 80, 80)
    torch.testing.assert_close(
        derived["label"].as_tensor(), gland_regions(item["image"], item["instances"], pixel_size_um=1.0)
    )
    assert derived["label"].max() == 2
    stored = numbers(gland)
    kept = GlandRegionsd(1.0)({**item, "label": stored})
    assert kept["label"].dtype == torch.int8
    torch.testing.assert_close(kept["label"], stored.to(torch.int8))
    assert GlandRegionsd(1.0, method="ring")(item)["label"].sum() != derived["label"].sum()


def test_wrong_input_is_named():
    image, instances = picture(np.full((9, 9), DARK)), numbers(np.ones((9, 9)))
    label = MetaTensor(instances * 3, meta={"filename_or_obj": "train_1_regions.png"})
    with pytest.raises(InputError, match=r"train_1_regions.png: not a region map; .* they reach from 3 to 3"):
        GlandRegionsd(1.0)({"label": label})
    with pytest.raises(InputError, match=r"case train_1: has neither a region map nor outlined glands"):
        GlandRegionsd(1.0)({"case": "train_1", "image": image})
    for wrong in (0, -1.0, float("nan"), float("inf"), "0.62", True):
        with pytest.raises(InputError, match="pixel_size_um: give the edge of a pixel in micrometres"):
            GlandRegionsd(wrong)
    with pytest.raises(InputError, match=r"method 'bold' is unknown; choose bright or ring"):
        gland_regions(image, instances, 1.0, "bold")
    with pytest.raises(ValueError, match=r"image must be \(3, H, W\) and instances \(1, H, W\) of the same size"):
        gland_regions(image, instances[:, :5], 1.0)
