"""An image that is oriented, cropped or resampled, and logits that are segmented on its own grid."""

import torch
from monai.data import MetaTensor
from monai.transforms import Invertd

from shared.transforms import SegmentOnGridd

OBLIQUE = torch.tensor([[0.0, 0.9, -0.1, 5.0], [-1.1, 0.0, 0.2, -7.0], [0.1, 0.2, 2.5, 3.0], [0.0, 0.0, 0.0, 1.0]])


def image_of(preprocessing, affine=OBLIQUE, shape=(14, 12, 9)):
    image = torch.zeros(1, *shape)
    image[:, 3:11, 2:10, 2:8] = 1 + torch.rand(8, 8, 6)
    return preprocessing({"image": MetaTensor(image, affine=affine)}), image


def segment(prepared, logits, preprocessing):
    """As the bundles do it."""
    data = {**prepared, "pred": MetaTensor(logits, affine=prepared["image"].affine)}
    return SegmentOnGridd()(Invertd("image", preprocessing, nearest_interp=False)(data))
