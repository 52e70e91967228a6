"""A label value that is not in the convention is refused, with advice that is safe to follow."""

from pathlib import Path

import numpy as np
import pytest
from label_map import label_of

from shared.errors import InputError
from shared.transforms import MapLabel, MapLabeld
from shared.transforms.label_tables import label_table


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
