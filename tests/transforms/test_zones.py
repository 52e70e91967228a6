import pytest
import torch
from monai.data import MetaTensor

from shared.transforms import ProstateZones, ProstateZonesd


def test_every_class_by_hand():
    regions = ProstateZones()(torch.arange(3).reshape(1, 3, 1))
    assert regions.flatten(1).tolist() == [[0, 1, 0], [0, 0, 1], [0, 1, 1]]
    assert regions.dtype == torch.uint8


def test_the_grid_is_kept_and_a_label_has_one_channel():
    label = MetaTensor(torch.ones(1, 2, 3, 4), affine=torch.diag(torch.tensor([1.0, 2, 3, 1])))
    scored = ProstateZonesd(["pred", "label"], allow_missing_keys=True)({"label": label})
    assert scored["label"].shape == (3, 2, 3, 4)
    assert torch.equal(scored["label"].affine, label.affine)
    with pytest.raises(ValueError, match=r"a label map \(1, \*spatial\) is needed"):
        ProstateZones()(torch.zeros(2, 3, 3))
