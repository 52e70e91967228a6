"""Which cases are found in a folder, and what is said of one that is of no use."""

import os

import pytest
from case_files import FREE, touch, write_brats2021

from shared.data import find_mri_cases
from shared.errors import InputError


def test_the_folder_of_one_case_holds_this_case(tmp_path, monkeypatch):
    brats2021 = write_brats2021(tmp_path)
    assert [case["case"] for case in find_mri_cases(brats2021 / "HGG/a", ["flair"])] == ["a"]
    touch(tmp_path, "q/Flair_z.nii.gz")
    expected = [{"case": "q", "patient": "q", "flair": str(tmp_path / "q/Flair_z.nii.gz")}]
    assert find_mri_cases(tmp_path / "q", ["flair"], FREE) == expected
    monkeypatch.chdir(tmp_path / "q")
    assert find_mri_cases(".", ["flair"], FREE)[0] == {"case": "q", "patient": "q", "flair": "Flair_z.nii.gz"}


def test_a_single_image_is_a_case_without_label(tmp_path):
    touch(tmp_path, "head.1.nii.gz")
    path = tmp_path / "head.1.nii.gz"
    assert find_mri_cases(path, ["flair"]) == [{"case": "head.1", "patient": "head.1", "image": str(path)}]
    with pytest.raises(InputError, match="one image has no label"):
        find_mri_cases(path, ["flair"], needs_label=True)


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "store/a_flair.nii")
    (tmp_path / "data").mkdir()
    os.symlink(tmp_path / "store", tmp_path / "data/linked")
    os.symlink(tmp_path / "data", tmp_path / "store/back")
    assert [case["flair"] for case in find_mri_cases(tmp_path / "data", ["flair"])] == [
        str(tmp_path / "data/linked/a_flair.nii")
    ]


def test_a_case_without_any_wanted_modality_is_left_out_with_a_word(tmp_path, caplog):
    brats2021 = write_brats2021(tmp_path)
    assert [case["case"] for case in find_mri_cases(brats2021, ["t2"])] == ["a", "c"]
    assert "1 of 3 cases have none of t2" in caplog.text


def test_it_is_an_error_if_no_case_has_any_wanted_modality(tmp_path):
    touch(tmp_path, "a_seg.nii.gz", "a_t1.nii.gz")
    with pytest.raises(InputError, match="1 cases of layout brats2021, but none has t2, flair; correct --dataset_dir"):
        find_mri_cases(tmp_path, ["t2", "flair"])


def test_a_folder_that_is_missing_or_not_given_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder; give .* --dataset_dir"):
        find_mri_cases(tmp_path / "nowhere", ["flair"])
    with pytest.raises(InputError, match=r"dataset_dir is not given; give .* --dataset_dir"):
        find_mri_cases("", ["flair"])  # which would be the working directory


@pytest.mark.parametrize("layout", ["brats2021", "brats2023", "msd", FREE])
def test_an_empty_folder_is_called_empty_in_every_layout(tmp_path, layout):
    with pytest.raises(InputError, match=r"the folder is empty; give .* --dataset_dir"):
        find_mri_cases(tmp_path, ["flair"], layout)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"modalities": ["flair"], "layout": "brats2022"}, "unknown; choose brats2021 or brats2023 or .*, or"),
        ({"modalities": ["dwi"]}, "modality 'dwi': layout brats2021 has no files for it, only for t1, t1ce, t2, flair"),
        ({"modalities": ["label"]}, "modality 'label'"),
        ({"modalities": []}, "modalities: give at least one name"),
        ({"modalities": ["t2", "t2"]}, "none twice"),
        ({"modalities": ["t2"], "layout": {"t2": "T2.nii"}}, r"pattern 'T2.nii' for t2: write \{case\} in place"),
        ({"modalities": ["t2"], "patient_pattern": r"(x)\d"}, "finds no patient in the name of case a"),
        ({"modalities": ["t2"], "patient_pattern": "a"}, "not a regular expression with a group"),
        ({"modalities": ["t2"], "patient_pattern": 5}, "not a regular expression with a group"),
        ({"modalities": ["t2"], "patient_pattern": "(a"}, "not a regular expression with a group"),
    ],
)
def test_refuses_wrong_settings(tmp_path, arguments, text):
    brats2021 = write_brats2021(tmp_path)
    with pytest.raises(InputError, match=text) as error:
        find_mri_cases(brats2021, **arguments)
    assert "\n" not in str(error.value)
