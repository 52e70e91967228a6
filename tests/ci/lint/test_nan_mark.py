"""What the configuration check allows on images keeps the mark of an absent modality, a channel of NaN."""

import monai.transforms
import pytest
import torch
from monai.data import MetaTensor

from ci.lint.zoo_rules import KEEPS_NAN_MARK

SIZE = (12, 10, 8)
RANDOM = {"prob": 1.0}
ARGUMENTS = {
    "Affine": {"rotate_params": [0.2, 0.0, 0.0], "padding_mode": "zeros"},
    "BorderPad": {"spatial_border": 2},
    "CenterScaleCrop": {"roi_scale": 0.5},
    "CenterSpatialCrop": {"roi_size": (6, 6, 6)},
    "ConcatItems": {"name": "image"},
    "CopyItems": {"names": "copy"},
    "CropForeground": {"source_key": "image"},
    "DivisiblePad": {"k": 8},
    "EnsureChannelFirst": {"channel_dim": 0},
    "Flip": {"spatial_axis": 0},
    "GaussianSmooth": {"sigma": 1.0},
    "NormalizeIntensity": {"channel_wise": True},
    "Orientation": {"axcodes": "LPS", "labels": None},
    "RandAffine": RANDOM | {"rotate_range": 0.3, "scale_range": 0.2, "padding_mode": "zeros"},
    "RandAxisFlip": RANDOM,
    "RandCropByLabelClasses": {"label_key": "label", "spatial_size": (6, 6, 6), "num_classes": 2},
    "RandCropByPosNegLabel": {"label_key": "label", "spatial_size": (6, 6, 6), "image_key": "image"},
    "RandFlip": RANDOM | {"spatial_axis": 1},
    "RandGaussianNoise": RANDOM,
    "RandGaussianSmooth": RANDOM,
    "RandRotate": RANDOM | {"range_x": 0.3, "padding_mode": "zeros"},
    "RandRotate90": RANDOM,
    "RandScaleCrop": {"roi_scale": 0.5},
    "RandScaleIntensity": RANDOM | {"factors": 0.1},
    "RandShiftIntensity": RANDOM | {"offsets": 0.1},
    "RandSpatialCrop": {"roi_size": (6, 6, 6), "random_size": False},
    "RandSpatialCropSamples": {"roi_size": (6, 6, 6), "num_samples": 1, "random_size": False},
    "RandStdShiftIntensity": RANDOM | {"factors": 0.1, "channel_wise": True},
    "RandZoom": RANDOM | {"min_zoom": 0.8, "max_zoom": 0.9},
    "Resize": {"spatial_size": (6, 6, 6)},
    "ResizeWithPadOrCrop": {"spatial_size": (16, 6, 6)},
    "Rotate": {"angle": [0.2, 0.0, 0.0]},
    "ShiftIntensity": {"offset": 1.0},
    "Spacing": {"pixdim": 1.5},
    "SpatialCrop": {"roi_center": (6, 5, 4), "roi_size": (6, 6, 4)},
    "SpatialPad": {"spatial_size": (16, 16, 16)},
    "ToDevice": {"device": "cpu"},
    "Zoom": {"zoom": 0.8},
}
NOT_TESTED_HERE = {"DeleteItems", "LoadImage"}  # one removes the image, the other makes it


def case():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((2, *SIZE), generator=generator) + 0.5
    image[1] = float("nan")
    label = torch.zeros(1, *SIZE)
    label[:, 4:8, 4:8, 2:6] = 1
    return {"image": MetaTensor(image), "label": MetaTensor(label)}


def transformed(name, arguments, item=None):
    transform = getattr(monai.transforms, f"{name}d")(keys="image", **arguments)
    if hasattr(transform, "set_random_state"):
        transform.set_random_state(seed=0)
    result = transform(item or case())
    return torch.as_tensor((result[0] if isinstance(result, list) else result)["image"])


@pytest.mark.parametrize("name", sorted(KEEPS_NAN_MARK - NOT_TESTED_HERE))
def test_the_absent_stays_marked_and_the_present_stays_clean(name):
    image = transformed(name, ARGUMENTS.get(name, {}))
    assert image[1].isnan().any()
    assert not image[0].isnan().any()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("NormalizeIntensity", {}),
        ("ScaleIntensity", {}),
        ("ThresholdIntensity", {"threshold": 0.5}),
        ("RandAdjustContrast", RANDOM),
        ("RandHistogramShift", RANDOM),
        ("RandStdShiftIntensity", RANDOM | {"factors": 0.1}),
    ],
)
def test_those_that_are_not_allowed_do_not(name, arguments):
    image = transformed(name, arguments)
    assert not image[1].isnan().any() or image[0].isnan().any()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("RandScaleIntensity", {"factors": 0.1, "channel_wise": True}),
        ("RandStdShiftIntensity", {"factors": 0.1, "nonzero": True, "channel_wise": True}),
    ],
)
def test_what_changes_intensities_before_early_fusion_leaves_air_at_zero(name, arguments):
    """Zero is also what an absent modality becomes there."""
    item = case()
    item["image"][0, :6] = 0.0
    changed = transformed(name, RANDOM | arguments, item)
    assert (changed[0, :6] == 0).all()
    assert (changed[0, 6:] != case()["image"][0, 6:]).all()
