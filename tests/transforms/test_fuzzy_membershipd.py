"""The array and the dictionary transform."""

import pytest
import torch
from fuzzy_labels import CLASSES, SHAPES, as_onehot, random_label
from monai.data import MetaTensor

from shared.transforms import FuzzyMembership, FuzzyMembershipd, fuzzy_membership, keep_argmax


@pytest.mark.parametrize("keeps_argmax", [False, True])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
def test_array_transform_is_the_function(shape, dtype, keeps_argmax):
    label = random_label(shape)
    onehot = as_onehot(label)
    expected = fuzzy_membership(onehot, 2)
    expected = keep_argmax(onehot, expected) if keeps_argmax else expected
    memberships = FuzzyMembership(CLASSES, radius=2, keep_argmax=keeps_argmax)(label.unsqueeze(0).to(dtype))
    assert memberships.dtype == torch.float32
    assert torch.equal(memberships, expected[0])


def test_transforms_keep_position_and_spacing():
    affine = torch.tensor([[0.0, 2.0, 0.0, 5.0], [-1.5, 0.0, 0.0, 7.0], [0.0, 0.0, 3.0, -9.0], [0.0, 0.0, 0.0, 1.0]])
    label = MetaTensor(random_label((6, 7, 8)).unsqueeze(0), affine=affine)
    memberships = FuzzyMembershipd("label", CLASSES)({"label": label})["memberships"]
    torch.testing.assert_close(memberships.affine, label.affine)


def test_dictionary_transform_adds_an_item_and_leaves_the_others():
    data = {"image": torch.rand(1, 6, 7), "label": random_label((6, 7)).unsqueeze(0)}
    before = data["label"].clone()
    result = FuzzyMembershipd("label", CLASSES, radius=2, keep_argmax=True)(data)
    assert set(data) == {"image", "label"}
    assert set(result) == {"image", "label", "memberships"}
    assert result["image"] is data["image"]
    assert torch.equal(result["label"], before)
    assert torch.equal(result["memberships"], FuzzyMembership(CLASSES, 2, keep_argmax=True)(before))
    renamed = FuzzyMembershipd("label", CLASSES, memberships_key="fuzzy")(data)
    assert torch.equal(renamed["fuzzy"], FuzzyMembership(CLASSES)(before))


def test_dictionary_transform_skips_an_absent_label_only_if_it_may():
    data = {"image": torch.rand(1, 6, 7)}
    assert set(FuzzyMembershipd("label", CLASSES, allow_missing_keys=True)(data)) == {"image"}
    with pytest.raises(KeyError, match="label"):
        FuzzyMembershipd("label", CLASSES)(data)
