from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.networks import one_hot
from monai.transforms import (
    Compose,
    Orientationd,
    RandAffined,
    RandCropByPosNegLabeld,
    RandFlipd,
    SpatialPadd,
)
from monai.transforms.utils import map_binary_to_indices

from shared.errors import InputError
from shared.transforms import MapLabel, MapLabeld
from shared.transforms.label_tables import label_table


def label_of(values, dtype=torch.float32, name="a_seg.nii"):
    return MetaTensor(torch.tensor(values, dtype=dtype).view(1, -1, 1, 1), meta={"filename_or_obj": name})


@pytest.mark.parametrize(
    ("convention", "values", "classes"),
    [
        ("brats2021", [0, 1, 2, 4, 4], [0, 1, 2, 3, 3]),
        ("brats2013", [0, 1, 2, 3, 4], [0, 1, 2, 1, 3]),
        ("brats2023", [3, 2, 1, 0], [3, 2, 1, 0]),
        ("msd", [0, 1, 2, 3], [0, 2, 1, 3]),
        ("brats_africa", [0, 1, 2, 3], [0, 1, 2, 3]),
        ("brats_meningioma", [0, 1, 2, 3], [0, 1, 2, 3]),
        ("brats2024_glioma", [0, 1, 2, 3, 4], [0, 1, 2, 3, 0]),
        ("brats2025_metastases", [0, 1, 2, 3, 4], [0, 1, 2, 3, 0]),
        ("brats2024_cavity", [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
        ("brats_pediatric", [0, 1, 2, 3, 4], [0, 3, 1, 1, 2]),
        ("brats_men_rt", [0, 1], [0, 1]),
        ({"0": 0, "7": 2, "-1": 5}, [-1, 7, 0], [5, 2, 0]),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int16, torch.float64])
def test_values_become_classes(convention, values, classes, dtype):
    mapped = MapLabel(convention)(label_of(values, dtype))
    assert mapped.flatten().tolist() == classes
    assert mapped.dtype == torch.int8
    assert mapped.shape == (1, len(values), 1, 1)
    assert mapped.meta["filename_or_obj"] == "a_seg.nii"


def test_conventions_agree_on_what_they_mean():
    """Every convention knows background and reaches the classes 1, 2 and 3; MEN-RT has one class, a cavity one more."""
    others = {"brats_men_rt": {0, 1}, "brats2024_cavity": {0, 1, 2, 3, 4}}
    for name, mapping in label_table("brain_tumour").mappings.items():
        assert mapping[0] == 0
        assert set(mapping.values()) == others.get(name, {0, 1, 2, 3})


@pytest.mark.parametrize(
    ("convention", "regions"),  # values in the file of WT, TC, ET, as the organisers' programs count them
    [
        ("brats2021", ({1, 2, 4}, {1, 4}, {4})),
        ("brats2023", ({1, 2, 3}, {1, 3}, {3})),
        ("brats_africa", ({1, 2, 3}, {1, 3}, {3})),
        ("brats_meningioma", ({1, 2, 3}, {1, 3}, {3})),
        ("brats2024_glioma", ({1, 2, 3}, {1, 3}, {3})),  # 4, the resection cavity, belongs to none
        ("brats2025_metastases", ({1, 2, 3}, {1, 3}, {3})),
        ("brats2024_cavity", ({1, 2, 3}, {1, 3}, {3})),
        ("brats_pediatric", ({1, 2, 3, 4}, {1, 2, 3}, {1})),
    ],
)
def test_regions_are_those_of_the_challenges(convention, regions):
    mapping = label_table("brain_tumour").mappings[convention]
    for values, classes in zip(regions, ({1, 2, 3}, {1, 3}, {3}), strict=True):
        assert {value for value, klass in mapping.items() if klass in classes} == values


@pytest.mark.parametrize(
    ("convention", "known", "unlisted"),
    [
        ("brats2013", "0, 1, 2, 3, 4", 5),
        ("brats2021", "0, 1, 2, 4", 3),
        ("brats2023", "0, 1, 2, 3", 4),
        ("brats_africa", "0, 1, 2, 3", 4),
        ("brats_meningioma", "0, 1, 2, 3", 4),
        ("brats2024_glioma", "0, 1, 2, 3, 4", 5),
        ("brats2025_metastases", "0, 1, 2, 3, 4", 5),
        ("brats2024_cavity", "0, 1, 2, 3, 4", 5),
        ("brats_pediatric", "0, 1, 2, 3, 4", 5),
        ("brats_men_rt", "0, 1", 2),
        ("msd", "0, 1, 2, 3", 4),
    ],
)
def test_a_value_that_a_convention_does_not_list_is_refused(convention, known, unlisted):
    with pytest.raises(
        InputError, match=rf"a_seg.nii: label value {unlisted} not in convention {convention} .{known}."
    ):
        MapLabel(convention)(label_of([0, 1, unlisted]))


def test_every_convention_of_brains_has_its_unlisted_value_tested():
    (mark,) = test_a_value_that_a_convention_does_not_list_is_refused.pytestmark
    assert {row[0] for row in mark.args[1]} == set(label_table("brain_tumour").mappings)


def test_no_advice_needs_a_class_that_the_network_may_not_have():
    with pytest.raises(InputError) as error:
        MapLabel("brats2023")(label_of([0, 1, 3, 4]))
    assert "brats2024_cavity" not in str(error.value)
    assert "4 resection cavity -> 0" in str(error.value)


def test_scaled_storage_is_rounded():
    assert MapLabel("brats2013")(label_of([0.9999999, 3.9999998, 0.999, 1.9999])).flatten().tolist() == [1, 3, 1, 2]


def test_an_unknown_value_is_answered_by_what_every_value_would_become():
    with pytest.raises(InputError) as error:
        MapLabel("brats2023")(label_of([0, 2, 3, 4]))
    text = str(error.value)
    assert text.startswith("a_seg.nii: label value 4 not in convention brats2023 (0, 1, 2, 3); the label holds 0, 2, 3")
    for advice in (
        "brats2013 (2 oedema -> 2, 3 non-enhancing tumour -> 1, 4 enhancing tumour -> 3)",
        "brats2024_glioma/brats2025_metastases (2 oedema -> 2, 3 enhancing tumour -> 3, 4 resection cavity -> 0)",
        "brats_pediatric (2 non-enhancing tumour -> 1, 3 cyst -> 1, 4 oedema -> 2)",
        'or a mapping of every value to 0 background, 1 necrosis, 2 oedema, 3 enhancing, as "{0: 0, 7: 3}"',
    ):
        assert advice in text
    assert "brats2021" not in text  # which lacks 3
    assert "\n" not in text
    with pytest.raises(InputError, match=r"value 9 not in .* what they mean: a mapping of every value"):
        MapLabel("msd")(label_of([0, 9]))
    with pytest.raises(InputError, match=r"values 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, \.\.\. not in"):
        MapLabel("msd")(label_of(list(range(50))))


def write_labels(folder, write_nifti, **values):
    cases = []
    for name, numbers in values.items():
        path = write_nifti(folder / f"{name}-seg.nii.gz", np.array(numbers, np.uint8).reshape(-1, 1, 1))
        cases.append({"case": name, "label": path})
    return cases


def test_the_advice_knows_the_values_of_all_labels_in_use(tmp_path, write_nifti):
    """The first label alone would fit brats2021, whose 4 is enhancing tumour."""
    cases = write_labels(tmp_path, write_nifti, a=[0, 1, 4], b=[0, 3], c=[0, 2])
    Path(cases[2]["label"]).write_bytes(b"damaged")
    first = label_of([0, 1, 4], name=cases[0]["label"])
    with pytest.raises(InputError, match=r"all 3 labels in use hold 0, 1, 3, 4\.") as error:
        MapLabel("brats2023", cases={"train": cases[:2], "validation": [], "test": cases[2:]})(first)
    assert "brats2021" not in str(error.value)
    assert "brats2024_glioma" in str(error.value)


def test_the_name_narrows_the_advice(tmp_path, write_nifti):
    (case,) = write_labels(tmp_path, write_nifti, **{"BraTS-GLI-00005-001": [0, 4]})
    with pytest.raises(InputError) as error:
        MapLabel(None, "brats2023", [case])(label_of([0, 4], name=case["label"]))
    assert "brats2024_glioma" in str(error.value)
    assert "metastases" not in str(error.value)


def test_a_name_of_another_challenge_is_asked_about(tmp_path, write_nifti):
    """1 is enhancing tumour and 4 oedema in BraTS-PED, 1 necrosis and 3 enhancing tumour in the layout's numbers."""
    cases = write_labels(tmp_path, write_nifti, **{"BraTS-GLI-00000-000": [0], "BraTS-PED-00002-000": [0, 1]})
    text = r"BraTS-PED-00002-000 does not fit the label numbers of layout brats2023; give .*brats_pediatric"
    with pytest.raises(InputError, match=text):
        MapLabeld("label", None, "brats2023", {"train": cases})
    loaded = {"case": "BraTS-PED-00002-000", "label": label_of([0, 1])}
    with pytest.raises(InputError, match=text):
        MapLabeld("label", None, "brats2023")(loaded)
    for given, expected in (("brats_pediatric", [0, 3]), ("brats2023", [0, 1])):  # as told
        assert MapLabeld("label", given, "brats2023", cases)(loaded)["label"].flatten().tolist() == expected


def test_patterns_say_nothing_about_numbers():
    with pytest.raises(InputError, match="patterns does not say what a label's numbers mean; give --label_convention"):
        MapLabel(None, {"label": "{case}/truth.nii.gz"})
    with pytest.raises(InputError, match="layout nnunet does not say"):
        MapLabel(None, "nnunet")


@pytest.mark.parametrize("value", [0.5, float("nan"), float("inf")])
def test_an_image_is_no_label(value):
    with pytest.raises(InputError, match=r"a_seg.nii: not a label map, .* such as (0.5|nan|inf)"):
        MapLabel("msd")(label_of([0, value, 1]))


def test_refuses_more_channels_and_wrong_conventions():
    with pytest.raises(InputError, match="a label has one channel, this one has 3"):
        MapLabel("msd")(torch.zeros(3, 4, 4, 4))
    with pytest.raises(InputError, match="convention 'brats2020' is unknown; choose one of brats2013, brats2021"):
        MapLabel("brats2020")
    for mapping in ({}, {0: -1}, {0: 128}, {"flair": "{case}/flair.nii"}, [0, 1]):
        with pytest.raises(InputError, match=r"give a mapping from value to class \(0 to 127\), or one of brats2013"):
            MapLabel(mapping)


def test_dictionary_version_leaves_other_keys_and_the_input_alone():
    data = {"label": label_of([0, 4]), "image": label_of([0, 4])}
    mapped = MapLabeld("label", "brats2021")(data)
    assert mapped["image"] is data["image"]
    assert data["label"].max() == 4
    assert mapped["label"].max() == 3
    assert MapLabeld("label", "brats2021", allow_missing_keys=True)({"image": 1}) == {"image": 1}


def test_monais_transforms_and_one_hot_take_the_type():
    """What comes out are the same whole numbers as with int64."""
    image = torch.rand(1, 14, 12, 10)
    label = MetaTensor((image * 4).floor().clamp(0, 3), affine=np.diag([-1, 1, 1, 1]))
    results = []
    for dtype in (torch.int8, torch.int64):
        augment = Compose(
            [
                Orientationd(["image", "label"], axcodes="RAS", labels=None),
                SpatialPadd(["image", "label"], [16, 16, 16]),
                RandCropByPosNegLabeld(["image", "label"], label_key="label", spatial_size=[8, 8, 8], num_samples=1),
                RandFlipd(["image", "label"], prob=0.5, spatial_axis=0),
                RandAffined(["image", "label"], prob=1, rotate_range=0.3, mode=["bilinear", "nearest"]),
            ]
        ).set_random_state(4)
        mapped = MapLabel("brats2023")(label)
        results.append(
            augment({"image": MetaTensor(image, affine=label.affine), "label": mapped.to(dtype)})[0]["label"]
        )
    torch.testing.assert_close(results[0].float(), results[1].float())
    assert set(results[0].unique().tolist()) == {0, 1, 2, 3}
    assert (one_hot(results[0][None], num_classes=4).argmax(1) == results[0]).all()


def test_crops_around_the_label_know_the_background():
    """With uint8, MONAI 1.6.1 takes every voxel for background here."""
    label = MapLabel("brats2023")(label_of([0, 1, 0, 2, 3]))
    foreground, background = map_binary_to_indices(label)
    assert foreground.tolist() == [1, 3, 4]
    assert background.tolist() == [0, 2]
    assert len(map_binary_to_indices(label.to(torch.uint8))[1]) == 5  # once MONAI is mended, uint8 will do
