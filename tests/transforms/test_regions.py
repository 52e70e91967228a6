import pytest
import torch
from monai.data import MetaTensor
from monai.metrics import DiceMetric

from shared.errors import InputError
from shared.transforms import TumourRegions, TumourRegionsd, region_names


def label_map(voxels_of_et, spacing=(1.0, 1.0, 1.0), turn=0.0):
    """A map (1, 12, 10, 9) with `voxels_of_et` voxels of class 3 and two voxels each of classes 1 and 2."""
    classes = torch.zeros(12 * 10 * 9, dtype=torch.uint8)
    classes[:voxels_of_et] = 3
    classes[-4:] = torch.tensor([1, 1, 2, 2])
    affine = torch.diag(torch.tensor([*spacing, 1.0], dtype=torch.float64))
    cosine, sine = torch.tensor(turn).cos(), torch.tensor(turn).sin()
    rotation = torch.eye(4, dtype=torch.float64)
    rotation[:2, :2] = torch.tensor([[cosine, -sine], [sine, cosine]])
    return MetaTensor(classes.reshape(1, 12, 10, 9), affine=rotation @ affine)


def volumes(regions):
    return dict(zip(("WT", "TC", "ET", "ET_pp500"), regions.flatten(1).sum(dim=1).tolist(), strict=True))


def test_every_class_by_hand():
    regions = TumourRegions(0)(torch.arange(4).reshape(1, 2, 2))
    assert regions.flatten(1).tolist() == [[0, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]]


def test_a_resection_cavity_belongs_to_no_region_but_its_own():
    """As the organisers' programs of 2024 count glioma after treatment: 1 NETC, 2 SNFH, 3 ET, 4 RC."""
    regions = TumourRegions(0, num_classes=5)(torch.arange(5).reshape(1, 5, 1))
    assert dict(zip(region_names(5), regions.flatten(1).tolist(), strict=True)) == {
        "WT": [0, 1, 1, 1, 0],
        "TC": [0, 1, 0, 1, 0],
        "ET": [0, 0, 0, 1, 0],
        "ET_pp500": [0, 0, 0, 1, 0],
        "NETC": [0, 1, 0, 0, 0],
        "SNFH": [0, 0, 1, 0, 0],
        "RC": [0, 0, 0, 0, 1],
    }


@pytest.mark.parametrize("num_classes", [4, 5])
def test_without_the_rule_there_is_no_channel_for_it(num_classes):
    """Of a float label, and in the order of the names."""
    label = torch.arange(5.0).clamp(max=num_classes - 1).reshape(1, 5, 1)
    with_rule = TumourRegions(0, num_classes)(label)
    kept = [number for number, name in enumerate(region_names(num_classes)) if name != "ET_pp500"]
    scored = TumourRegionsd("label", None, num_classes=num_classes)({"label": label})["label"]
    assert torch.equal(scored, with_rule[kept])
    assert len(region_names(num_classes, has_volume_rule=False)) == len(kept) == len(scored)


def test_more_classes_are_refused():
    with pytest.raises(InputError, match=r"num_classes: expected 4 .* or 5 .and resection cavity. to score .* got 6"):
        region_names(6)


@pytest.mark.parametrize(("voxels", "reported"), [(0, 0), (499, 0), (500, 500), (501, 501)])
def test_rule_removes_less_than_500_voxels_of_1_mm3(voxels, reported):
    assert volumes(TumourRegions()(label_map(voxels))) == {
        "WT": voxels + 4,
        "TC": voxels + 2,
        "ET": voxels,
        "ET_pp500": reported,
    }


@pytest.mark.parametrize(
    ("spacing", "smallest"), [((2.0, 2.0, 2.5), 50), ((0.5, 0.5, 5.0), 400), ((1.0, 1.0, 5.0), 100)]
)
@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_rule_counts_millimetres(spacing, smallest, turn):
    for voxels, reported in [(smallest, smallest), (smallest - 1, 0)]:
        assert volumes(TumourRegions()(label_map(voxels, spacing, turn)))["ET_pp500"] == reported


def test_voxel_size_that_single_precision_makes_a_little_smaller_than_1_mm():
    assert volumes(TumourRegions()(label_map(500, spacing=(0.9999999,) * 3)))["ET_pp500"] == 500


def test_label_keeps_its_small_et():
    data = {"pred": label_map(100), "label": label_map(100).float(), "case": "a"}
    scored = TumourRegionsd(["pred", "label"], min_et_volume_mm3=[500.0, 0.0])(data)
    assert volumes(scored["pred"])["ET_pp500"] == 0
    assert volumes(scored["label"])["ET_pp500"] == 100
    assert scored["case"] == "a"
    assert data["pred"].shape == (1, 12, 10, 9)


def test_rule_turns_a_dice_of_zero_into_one():
    """No ET in the label, 100 voxels in the prediction: this is the rule's whole effect on published tables."""
    scored = TumourRegionsd(["pred", "label"], [500.0, 0.0])({"pred": label_map(100), "label": label_map(0)})
    dice = DiceMetric(ignore_empty=False)([scored["pred"]], [scored["label"]])
    torch.testing.assert_close(dice.as_tensor(), torch.tensor([[8 / 108, 4 / 104, 0.0, 1.0]]))


def test_metadata_stays():
    source = label_map(5, spacing=(1.0, 2.0, 3.0))
    regions = TumourRegions()(source)
    torch.testing.assert_close(regions.affine, source.affine)


def test_rejects_what_is_no_label_map():
    with pytest.raises(ValueError, match=r"a label map \(1, \*spatial\) is needed, got shape \(4, 2, 2\)"):
        TumourRegions()(torch.zeros(4, 2, 2))
    with pytest.raises(ValueError, match="min_et_volume_mm3 must not be negative, got -1"):
        TumourRegions(-1)
