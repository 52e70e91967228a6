"""A folder in which no case is found is advised a layout that finds some."""

import ast

import pytest
from case_files import FREE, touch, write_brats2021, write_listing

from shared.data import find_mri_cases
from shared.errors import InputError


def test_says_which_other_layout_fits(tmp_path):
    brats2021 = write_brats2021(tmp_path)
    with pytest.raises(InputError, match=r"no case of layout brats2023 found \(looked for .*t2f.*\); 2 cases would"):
        find_mri_cases(brats2021, ["flair"], "brats2023")
    with pytest.raises(InputError, match="use --layout brats2021"):
        find_mri_cases(brats2021, ["flair"], FREE)
    with pytest.raises(InputError, match=r"looked for dataset.json .*; 2 cases would fit another: use --layout"):
        find_mri_cases(brats2021, ["flair"], "msd")
    touch(tmp_path / "msd", "imagesTr/B_1.nii.gz")
    listing = {"modality": {"0": "FLAIR"}, "training": [{"image": "imagesTr/B_1.nii.gz"}]}
    write_listing(tmp_path / "msd", **listing)
    with pytest.raises(InputError, match=r"1 case would fit another: use --layout msd"):
        find_mri_cases(tmp_path / "msd", ["flair"])


def test_a_layout_that_finds_nothing_either_is_not_advised(tmp_path):
    touch(tmp_path, "imagesTr/B_1.nii.gz")
    write_listing(tmp_path, modality={"0": "T2"}, training=[{"image": "imagesTr/B_1.nii.gz"}])
    with pytest.raises(InputError, match=r"\); correct --dataset_dir, or give --layout a pattern per modality\.$"):
        find_mri_cases(tmp_path, ["flair"])  # which dataset.json does not name
    touch(tmp_path / "other", "a-t2f.nii.gz")
    with pytest.raises(InputError, match=r"correct --dataset_dir"):
        find_mri_cases(tmp_path / "other", ["flair"], needs_label=True)  # no labels under brats2023


def test_says_what_was_looked_for_where_nothing_fits(tmp_path):
    touch(tmp_path, "photo.jpg")
    with pytest.raises(InputError, match=r"looked for \*\*/\{case\}_flair.nii\[.gz\]\); correct --dataset_dir"):
        find_mri_cases(tmp_path, ["flair"])


def test_a_folder_of_dicom_is_advised_what_finds_it(tmp_path):
    touch(tmp_path, *[f"study/{patient}/T1/0.dcm" for patient in ("P1", "P2")])
    with pytest.raises(InputError, match="DICOM is in it: give --layout a pattern per modality") as error:
        find_mri_cases(tmp_path / "study", ["t1"], needs_label=True)
    pattern = ast.literal_eval(str(error.value).split('"')[1])
    assert [case["case"] for case in find_mri_cases(tmp_path / "study", ["t1"], pattern)] == ["P1", "P2"]
    for folder in (tmp_path / "study/P1", tmp_path / "study/P1/T1"):
        with pytest.raises(InputError, match=r"as in --datalist") as error:
            find_mri_cases(folder, ["t1"])
        assert ast.literal_eval(str(error.value).split('"')[1]) == [{"t1": str(tmp_path / "study/P1/T1")}]
