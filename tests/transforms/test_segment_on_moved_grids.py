"""Logits on a cropped, turned or resampled grid are segmented on the image's own."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.transforms import Compose, CropForegroundd, Invertd, Orientationd, Spacingd, SpatialPadd
from moved_grids import OBLIQUE, image_of, segment
from scipy.spatial.transform import Rotation

from shared.transforms import SegmentOnGridd, segment_on_grid


@pytest.mark.parametrize("axcodes", ["RAS", "LPS", "SRA", "AIL"])
@pytest.mark.parametrize("padded", [False, True])
def test_without_resampling_the_result_is_monais_inverse_of_the_argmax_bit_for_bit(axcodes, padded):
    """Cropped or padded, flipped and transposed."""
    size = SpatialPadd("image", (16, 7, 20)) if padded else CropForegroundd("image", "image")
    preprocessing = Compose([Orientationd("image", axcodes=axcodes, labels=None), size])
    prepared, original = image_of(preprocessing)
    logits = torch.randn(4, *prepared["image"].shape[1:])
    largest, classes = logits.max(dim=0, keepdim=True)
    expected = {**prepared, "pred": MetaTensor(classes.byte())}
    expected["uncertainty"] = MetaTensor(-torch.expm1(largest - logits.logsumexp(0, keepdim=True)).clamp(max=0))
    expected = Invertd(["pred", "uncertainty"], preprocessing, "image")(expected)
    segmented = segment(prepared, logits, preprocessing)
    assert expected["pred"].shape == original.shape
    for key in ("pred", "uncertainty"):
        assert torch.equal(segmented[key].as_tensor(), expected[key].as_tensor().to(segmented[key]))
        torch.testing.assert_close(segmented[key].affine.float(), OBLIQUE)


@pytest.mark.parametrize("spacing_mm", [(0.5, 0.6, 3.0), (1.7, 0.9, 1.0)])
def test_agrees_with_monais_inverse_of_the_logits(spacing_mm):
    """Without a crop, which MONAI's inverse would pad with logits of 0; turned about two axes."""
    turned = Rotation.from_euler("xyz", [20, -35, 0], degrees=True).as_matrix() * spacing_mm
    affine = np.block([[turned, np.array([[5.0], [-7.0], [3.0]])], [np.zeros((1, 3)), np.ones((1, 1))]])
    preprocessing = Compose([Orientationd("image", "RAS", labels=None), Spacingd("image", pixdim=(1, 1, 1))])
    prepared, _ = image_of(preprocessing, affine)
    logits = torch.randn(4, *prepared["image"].shape[1:])
    data = {**prepared, "pred": MetaTensor(logits)}
    inverse = Invertd("pred", preprocessing, "image", nearest_interp=False)(data)["pred"].as_tensor()
    segmented = segment(prepared, logits, preprocessing)
    torch.testing.assert_close(
        segmented["uncertainty"].as_tensor()[0], 1 - inverse.softmax(0).amax(0), atol=1e-4, rtol=0
    )
    assert (segmented["pred"].as_tensor()[0] == inverse.argmax(0)).float().mean() > 0.999


def test_grids_apart_from_each_other_give_background():
    far = torch.diag(torch.tensor([0.7, 0.7, 0.7, 1.0]))
    far[0, 3] = 500
    for affine in (far, far.round()):
        classes, uncertainty = segment_on_grid(torch.randn(3, 4, 4, 4), torch.eye(4), affine, (5, 6, 7))
        assert not classes.any()
        assert not uncertainty.any()
        assert classes.shape == (1, 5, 6, 7)


def test_a_turned_grid_gets_the_class_inside_the_logits_voxels_and_background_outside():
    """Logits of class 1 on 4 x 4 pixels, a grid turned by 45 degrees: |x + y| and |x - y| say what is inside."""
    logits, half = torch.stack([torch.zeros(4, 4), torch.ones(4, 4)]), 0.5**0.5
    turned = torch.tensor([[half, -half, 1.5], [half, half, 1.5 - 9 * 2 * half], [0, 0, 1]])
    classes, _ = segment_on_grid(logits, torch.eye(3), turned, (19, 19))
    x, y = torch.meshgrid(torch.arange(19) - 9.0, torch.arange(19) - 9.0, indexing="ij")
    expected = ((x - y).abs() * half < 2) & ((x + y).abs() * half < 2)
    assert torch.equal(classes[0], expected.byte())
    assert 0 < expected.sum() < 19**2


def test_a_sliding_window_hands_on_the_affine():
    """MONAI Deploy calls the inferer so: with a batch axis of its own making."""
    image = MetaTensor(torch.rand(1, 8, 8, 8), affine=OBLIQUE)
    logits = SlidingWindowInferer((4, 4, 4))(image[None], lambda window: torch.cat([window, 1 - window], dim=1))[0]
    segmented = SegmentOnGridd()({"pred": logits, "image": image})
    assert torch.equal(segmented["pred"].as_tensor(), (image < 0.5).byte().as_tensor())
