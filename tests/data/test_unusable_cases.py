"""A case that cannot be used is named, and stops only those who use it."""

import pytest
from case_files import touch, write_brats2021

from shared.data import find_mri_cases, split_cases
from shared.errors import InputError


def test_two_files_for_one_modality_are_refused(tmp_path):
    touch(tmp_path, "HGG/a_flair.nii.gz", "a_flair.nii")
    with pytest.raises(InputError, match=r"case a has two files for flair, .*a_flair.nii.* and .*; remove one"):
        find_mri_cases(tmp_path, ["flair"])


def test_two_dicom_folders_for_one_modality_are_refused(tmp_path):
    touch(tmp_path, "P-0/1-ADC/1.dcm", "P-0/2-ADC/1.dcm")
    with pytest.raises(InputError, match=r"case P-0 has two files for adc, .*1-ADC and .*2-ADC"):
        find_mri_cases(tmp_path, ["adc"], {"adc": "{case}/*-ADC/"})


def test_two_cases_of_one_name_are_not_mixed(tmp_path):
    """a is in two folders which hold the same modalities of others: its t1 and its flair may be of two patients."""
    touch(tmp_path, "one/a_t1.nii", "one/b_t1.nii", "one/b_flair.nii", "two/a_flair.nii", "two/c_flair.nii")
    with pytest.raises(InputError, match=r"case a has files in two folders, .*one/a_t1.nii and .*two/a_flair.nii"):
        find_mri_cases(tmp_path, ["t1", "flair"])
    touch(tmp_path / "per_case", "s1/a/a_t1.nii", "s1/b/b_t1.nii", "s1/b/b_seg.nii", "s2/a/a_seg.nii")
    case = find_mri_cases(tmp_path / "per_case", ["t1"], needs_label=True)[0]
    assert "two folders" in case["unusable"]
    with pytest.raises(InputError, match=r"1 of 1 cases in use cannot be used: case a has files in two folders"):
        split_cases([case], (1, 0, 0))
    assert len(find_mri_cases(tmp_path / "per_case", ["t1"])) == 2  # nobody reads the labels


def test_a_folder_per_modality_is_no_mixture(tmp_path):
    touch(tmp_path, *[f"{key}/{case}_{key}.nii" for case in "ab" for key in ("t1", "flair", "seg")])
    cases = find_mri_cases(tmp_path, ["t1", "flair"], needs_label=True)
    assert [sorted(case) for case in cases] == [["case", "flair", "label", "patient", "t1"]] * 2


def test_only_cases_in_use_must_be_whole(tmp_path):
    """c has no label, d two files for one modality."""
    brats2021 = write_brats2021(tmp_path)
    touch(brats2021, "HGG/d_t2.nii", "HGG/d_t2.nii.gz", "HGG/d_seg.nii", "HGG/e/e_t2.nii", "HGG/e/e_seg.nii")
    cases = find_mri_cases(brats2021, ["t2"], needs_label=True)
    assert [case["case"] for case in cases if "unusable" in case] == ["c", "d"]
    (tmp_path / "train.txt").write_text("a\ne\n")
    split = split_cases(cases, files={"train": tmp_path / "train.txt"})
    assert [case["case"] for case in split["train"]] == ["a", "e"]
    with pytest.raises(InputError, match=r"2 of 4 cases in use cannot be used: case \w .* --split_files"):
        split_cases(cases)
    with pytest.raises(InputError, match="has no pattern for the label"):
        find_mri_cases(brats2021, ["t2"], {"t2": "**/{case}_t2.nii.gz"}, needs_label=True)


@pytest.mark.parametrize(
    ("label", "is_named"),
    [
        ("BraTS20_Training_355/W39_1998.09.19_Segm.nii", True),  # so published
        ("BraTS20_Training_355/BraTS20_Training_355-label.nii.gz", True),
        ("BraTS20_Training_355/BraTS20_Training_355_SEG.NII", True),
        ("BraTS20_Training_355/notes_seg.txt", False),
        ("BraTS20_Training_355/BraTS20_Training_355_t1.nii", False),
        ("BraTS20_Training_36/BraTS20_Training_36_seg.nii", False),
    ],
)
def test_a_file_that_looks_like_the_label_is_named(tmp_path, label, is_named):
    touch(tmp_path, "BraTS20_Training_355/BraTS20_Training_355_flair.nii", label)
    (case,) = find_mri_cases(tmp_path, ["flair"], needs_label=True)
    expected = f"but {tmp_path / label} looks like it" if is_named else "has no label; add the file"
    assert expected in case["unusable"]
