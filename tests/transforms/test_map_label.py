"""Label maps in the numbers of a data set become classes."""

import numpy as np
import pytest
import torch
from label_map import label_of
from monai.data import MetaTensor
from monai.networks import one_hot
from monai.transforms import Compose, Orientationd, RandAffined, RandCropByPosNegLabeld, RandFlipd, SpatialPadd
from monai.transforms.utils import map_binary_to_indices

from shared.errors import InputError
from shared.transforms import MapLabel, MapLabeld


@pytest.mark.parametrize(
    ("convention", "values", "classes"),
    [
        ("brats2021", [0, 1, 2, 4, 4], [0, 1, 2, 3, 3]),
        ("brats2013", [0, 1, 2, 3, 4], [0, 1, 2, 1, 3]),
        ("brats2023", [3, 2, 1, 0], [3, 2, 1, 0]),
        ("msd", [0, 1, 2, 3], [0, 2, 1, 3]),
        ("brats_africa", [0, 1, 2, 3], [0, 1, 2, 3]),
        ("brats_meningioma", [0, 1, 2, 3], [0, 1, 2, 3]),
        ("brats2024_glioma", [0, 1, 2, 3, 4], [0, 1, 2, 3, 0]),
        ("brats2025_metastases", [0, 1, 2, 3, 4], [0, 1, 2, 3, 0]),
        ("brats2024_cavity", [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
        ("brats_pediatric", [0, 1, 2, 3, 4], [0, 3, 1, 1, 2]),
        ("brats_men_rt", [0, 1], [0, 1]),
        ({"0": 0, "7": 2, "-1": 5}, [-1, 7, 0], [5, 2, 0]),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int16, torch.float64])
def test_values_become_classes(convention, values, classes, dtype):
    mapped = MapLabel(convention)(label_of(values, dtype))
    assert mapped.flatten().tolist() == classes
    assert mapped.dtype == torch.int8
    assert mapped.shape == (1, len(values), 1, 1)
    assert mapped.meta["filename_or_obj"] == "a_seg.nii"


def test_scaled_storage_is_rounded():
    assert MapLabel("brats2013")(label_of([0.9999999, 3.9999998, 0.999, 1.9999])).flatten().tolist() == [1, 3, 1, 2]


@pytest.mark.parametrize("value", [0.5, float("nan"), float("inf")])
def test_an_image_is_no_label(value):
    with pytest.raises(InputError, match=r"a_seg.nii: not a label map, .* such as (0.5|nan|inf)"):
        MapLabel("msd")(label_of([0, value, 1]))


def test_refuses_more_channels_and_wrong_conventions():
    with pytest.raises(InputError, match="a label has one channel, this one has 3"):
        MapLabel("msd")(torch.zeros(3, 4, 4, 4))
    with pytest.raises(InputError, match="convention 'brats2020' is unknown; choose one of brats2013, brats2021"):
        MapLabel("brats2020")
    for mapping in ({}, {0: -1}, {0: 128}, {"flair": "{case}/flair.nii"}, [0, 1]):
        with pytest.raises(InputError, match=r"give a mapping from value to class \(0 to 127\), or one of brats2013"):
            MapLabel(mapping)


def test_dictionary_version_leaves_other_keys_and_the_input_alone():
    data = {"label": label_of([0, 4]), "image": label_of([0, 4])}
    mapped = MapLabeld("label", "brats2021")(data)
    assert mapped["image"] is data["image"]
    assert data["label"].max() == 4
    assert mapped["label"].max() == 3
    assert MapLabeld("label", "brats2021", allow_missing_keys=True)({"image": 1}) == {"image": 1}


def test_monais_transforms_and_one_hot_take_the_type():
    """What comes out are the same whole numbers as with int64."""
    image = torch.rand(1, 14, 12, 10)
    label = MetaTensor((image * 4).floor().clamp(0, 3), affine=np.diag([-1, 1, 1, 1]))
    results = []
    for dtype in (torch.int8, torch.int64):
        augment = Compose(
            [
                Orientationd(["image", "label"], axcodes="RAS", labels=None),
                SpatialPadd(["image", "label"], [16, 16, 16]),
                RandCropByPosNegLabeld(["image", "label"], label_key="label", spatial_size=[8, 8, 8], num_samples=1),
                RandFlipd(["image", "label"], prob=0.5, spatial_axis=0),
                RandAffined(["image", "label"], prob=1, rotate_range=0.3, mode=["bilinear", "nearest"]),
            ]
        ).set_random_state(4)
        mapped = MapLabel("brats2023")(label)
        results.append(
            augment({"image": MetaTensor(image, affine=label.affine), "label": mapped.to(dtype)})[0]["label"]
        )
    torch.testing.assert_close(results[0].float(), results[1].float())
    assert set(results[0].unique().tolist()) == {0, 1, 2, 3}
    assert (one_hot(results[0][None], num_classes=4).argmax(1) == results[0]).all()


def test_crops_around_the_label_know_the_background():
    """With uint8, MONAI 1.6.1 takes every voxel for background here."""
    label = MapLabel("brats2023")(label_of([0, 1, 0, 2, 3]))
    foreground, background = map_binary_to_indices(label)
    assert foreground.tolist() == [1, 3, 4]
    assert background.tolist() == [0, 2]
    assert len(map_binary_to_indices(label.to(torch.uint8))[1]) == 5  # once MONAI is mended, uint8 will do
