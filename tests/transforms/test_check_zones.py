import pytest
import torch
from monai.data import MetaTensor

from shared.errors import InputError
from shared.transforms import CheckZonesd


def label(front, back, affine=None):
    """Ten rows of 1 mm from the back to the front: the first two hold `back`, the last three `front`."""
    rows = torch.zeros(1, 4, 10, 3)
    rows[:, :, :2], rows[:, :, 7:] = back, front
    return MetaTensor(rows, affine=torch.eye(4) if affine is None else affine, meta={"filename_or_obj": "zones.nii"})


def test_the_peripheral_zone_is_behind_in_the_patient_not_in_the_file():
    good = {"label": label(front=2, back=1)}
    assert CheckZonesd()(good) == good
    with pytest.raises(
        InputError, match=r"zones.nii: its peripheral zone would lie 8 mm in front .*prostate158: 2 per"
    ):
        CheckZonesd()({"label": label(front=1, back=2)})
    flipped = torch.diag(torch.tensor([1.0, -1, 1, 1]))
    CheckZonesd()({"label": label(front=1, back=2, affine=flipped)})
    with pytest.raises(InputError, match="8 mm in front"):
        CheckZonesd()({"label": label(front=2, back=1, affine=flipped)})


@pytest.mark.parametrize("data", [{}, {"label": "a path"}, {"label": label(front=1, back=0)}])
def test_without_two_zones_nothing_is_said(data):
    assert CheckZonesd()(data) == data
