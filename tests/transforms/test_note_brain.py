import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, SpatialPadd

from shared.errors import InputError
from shared.transforms import CalibrationPairsd, NoteBraind, SafeSpacingd, SegmentOnGridd


def head():
    """A cube of 8 voxels in 12, of which one modality of two is there."""
    image = torch.zeros(2, 12, 12, 12)
    image[0, 2:10, 2:10, 2:10] = 5
    image[1] = torch.nan
    return MetaTensor(image, affine=torch.diag(torch.tensor([1.0, 1.0, 2.0, 1.0])))


def test_brain_is_where_a_modality_is_not_zero():
    noted = NoteBraind()({"image": head()})
    assert (noted["brain"].shape, noted["brain"].dtype) == ((1, 12, 12, 12), torch.uint8)
    assert torch.equal(noted["brain"][0].bool().as_tensor(), head()[0].as_tensor() > 0)
    torch.testing.assert_close(noted["brain"].affine, head().affine)


def test_mask_that_is_there_wins():
    mask = torch.zeros(1, 12, 12, 12)
    mask[:, 4:6] = 1.0
    data = {"image": head(), "brain": mask}
    assert torch.equal(NoteBraind()(data)["brain"].float().as_tensor(), mask)
    assert data["brain"] is mask


def test_calibration_counts_the_voxels_of_the_brain_although_the_image_was_resampled():
    preprocessing = Compose([NoteBraind(), SafeSpacingd("image", pixdim=(3, 3, 3)), SpatialPadd("image", (8, 8, 8))])
    data = preprocessing({"image": head(), "label": MetaTensor(torch.zeros(1, 12, 12, 12))})
    data["pred"] = MetaTensor(torch.randn(4, *data["image"].shape[1:]), affine=data["image"].affine)
    data = SegmentOnGridd()(Invertd("image", preprocessing, nearest_interp=False)(data))
    assert CalibrationPairsd()(data)["correct"].shape == (1, 8**3)
    del data["brain"]
    assert CalibrationPairsd()(data)["correct"].shape[1] > 8**3  # what the resampled image says


def test_rejects_a_mask_on_another_grid():
    with pytest.raises(InputError, match=r"the mask has shape \(1, 3, 3, 3\)"):
        NoteBraind()({"image": head(), "brain": torch.ones(1, 3, 3, 3)})
