import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from shared.errors import InputError
from shared.transforms import RemoveSmallComponentsd, remove_small_components


def test_a_speck_becomes_what_surrounds_it_and_what_is_large_enough_stays():
    """2 mm3 voxels: a speck of one voxel in a tumour, one of two voxels, joined by a corner, in the background."""
    classes = np.zeros((9, 7, 5), dtype=np.uint8)
    classes[:4, 1:6, :] = 2
    classes[2, 3, 2] = 3
    classes[6, 3, 2] = classes[7, 4, 3] = 3
    cleaned = remove_small_components(classes, 2.0, [0, 0, 3.0])
    assert cleaned[2, 3, 2] == 2
    assert cleaned[6, 3, 2] == cleaned[7, 4, 3] == 3
    assert remove_small_components(classes, 2.0, [0, 0, 4.1])[6, 3, 2] == 0
    assert classes[2, 3, 2] == 3, "the input stays"
    assert (remove_small_components(classes, 2.0, [0, 1e3, 0])[:4] != 2).all()


def test_higher_classes_are_done_first():
    """A rim of class 1 counts with the speck of class 2 inside it, which becomes class 1 before the rim is measured."""
    classes = np.zeros((5, 5, 5), dtype=np.uint8)
    classes[1:4, 1:4, 1:4] = 1
    classes[2, 2, 2] = 2
    assert (remove_small_components(classes, 1.0, [27, 2])[1:4, 1:4, 1:4] == 1).all()


def test_volume_comes_from_the_affine_and_each_class_has_its_own():
    classes = torch.zeros(1, 6, 6, 6, dtype=torch.uint8)
    classes[0, 1, 1, 1], classes[0, 4, 4, 4] = 1, 2
    label = MetaTensor(classes, affine=torch.diag(torch.tensor([-1.0, 2.0, 5.0, 1.0])))  # 10 mm3
    for least, kept in (([10.0], [1, 2]), ([10.1], []), ([0.0, 11.0], [1]), ([0.0], [1, 2])):
        found = RemoveSmallComponentsd("pred", least, num_classes=3)({"pred": label})["pred"]
        assert found.dtype == torch.uint8
        assert found[found > 0].tolist() == kept


def test_another_number_of_volumes_than_of_classes_is_refused():
    with pytest.raises(
        InputError, match=r"--min_component_mm3: expected one number, or 3, one per class, got \[1, 2\]"
    ):
        RemoveSmallComponentsd("pred", [1, 2], num_classes=4)
