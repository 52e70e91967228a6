import logging

import pytest
import torch
from monai.data import MetaTensor

from shared.errors import InputError
from shared.transforms import NormalizeMeasured, NormalizeMeasuredd

ALL = (0, 100)


def test_by_hand():
    """Measured 1, 2, 3: mean 2, deviation sqrt(2/3); what was not measured is shifted alike, to -2 / sqrt(2/3)."""
    image = torch.tensor([0.0, 1, 2, 3]).view(1, 4, 1, 1)
    expected = torch.tensor([-2.0, -1, 0, 1]) * 1.5**0.5
    torch.testing.assert_close(NormalizeMeasured(ALL)(image).flatten(), expected)


def test_a_coil_many_times_as_bright_changes_little():
    image = torch.rand(1, 20, 20, 10, generator=torch.Generator().manual_seed(0)) + 1
    with_coil = image.clone()
    with_coil[0, :2, :2, :4] = 1000.0  # 16 of 4000 voxels
    plain, robust = (NormalizeMeasured()(values)[0, 5:] for values in (image, with_coil))
    assert (plain - robust).abs().max() < 0.05
    assert (NormalizeMeasured(ALL)(with_coil)[0, 5:] - plain).abs().max() > 1


def test_scale_does_not_matter_and_the_input_stays():
    image = MetaTensor(torch.rand(2, 6, 5, 4) + 0.1, meta={"filename_or_obj": "a.nii"})
    before = image.clone()
    normalized = NormalizeMeasuredd()({"image": image})["image"]
    torch.testing.assert_close(normalized.as_tensor(), NormalizeMeasured()(1000 * image).as_tensor())
    assert torch.equal(image, before)
    assert normalized.meta["filename_or_obj"] == "a.nii"


def test_absent_and_constant_modalities_are_absent(caplog):
    image = torch.rand(3, 6, 5, 4) + 0.1
    image[1], image[2] = torch.nan, 0.0
    with caplog.at_level(logging.WARNING):
        normalized = NormalizeMeasured()(image)
    assert normalized.isnan().flatten(1).all(dim=1).tolist() == [False, True, True]
    assert "channel 2): one single value" in caplog.text
    with pytest.raises(InputError, match=r"every modality has one single value .*--crop_mm"):
        NormalizeMeasured()(image[1:])


@pytest.mark.parametrize("percentiles", [(5,), (50, 50), (-1, 99), (1, 101)])
def test_percentiles_rise(percentiles):
    with pytest.raises(ValueError, match="percentiles: give two that rise"):
        NormalizeMeasured(percentiles)
