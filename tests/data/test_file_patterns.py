"""A pattern per modality, for files that follow no published layout."""

import os
from pathlib import Path

import pytest
from case_files import FREE, touch

from shared.data import find_mri_cases


def test_patterns_give_modalities_label_and_brain_of_every_case(tmp_path):
    for case in ("p1_visit1", "p1_visit2"):
        touch(
            tmp_path,
            f"{case}/Flair_z.nii.gz",
            f"{case}/mask.nii.gz",
            f"{case}/T1_z.nii.gz",
            f"deeper/{case}/mask.nii.gz",
        )
    touch(tmp_path, "p1_visit1/truth.nii.gz", "p1_visit2/truth.v2.nii.gz")
    cases = find_mri_cases(tmp_path, ["flair"], FREE, needs_label=True, patient_pattern=r"(.+)_visit\d")
    assert [list(case) for case in cases] == [["case", "patient", "flair", "label", "brain"]] * 2
    assert [case["patient"] for case in cases] == ["p1", "p1"]
    assert cases[1]["label"] == str(tmp_path / "p1_visit2/truth.v2.nii.gz")


def test_a_double_star_is_any_folder_and_a_repeated_case_the_same_name(tmp_path):
    touch(tmp_path, "x/y/k/k.nii.gz", "k/k.nii.gz.txt", "x/k/other.nii.gz")
    (case,) = find_mri_cases(tmp_path, ["t2"], {"t2": "**/{case}/{case}.nii.gz"})
    assert case == {"case": "k", "patient": "k", "t2": str(tmp_path / "x/y/k/k.nii.gz")}


def test_a_pattern_with_a_slash_at_the_end_names_a_dicom_folder(tmp_path):
    touch(tmp_path, "P-0/4.0-t2tsetra-702/1.dcm", "P-0/7.0-ADC-48/1.dcm", "P-0/notes-t2tsetra.txt")
    (case,) = find_mri_cases(tmp_path, ["t2", "adc"], {"t2": "{case}/*-t2tsetra-*/", "adc": "{case}/*-ADC-*/"})
    assert (case["t2"], case["adc"]) == (str(tmp_path / "P-0/4.0-t2tsetra-702"), str(tmp_path / "P-0/7.0-ADC-48"))


def test_the_cases_of_2013_are_found_as_they_are_published():
    if "SEGMENTATION_DATA" not in os.environ:
        pytest.skip("SEGMENTATION_DATA is not set: no real data here")
    patterns = {
        "flair": "{case}/Flair_*.nii.gz",
        "t1ce": "{case}/T1c_*.nii.gz",
        "brain": "{case}/brainmask.nii.gz",
        "label": "{case}/OTMultiClass.nii.gz",
    }
    folder = Path(os.environ["SEGMENTATION_DATA"], "brain_tumour_flair_t1c")
    cases = find_mri_cases(folder, ["flair", "t1ce"], patterns, needs_label=True)
    assert [case["case"] for case in cases] == [f"brats_2013_pat000{number}_1" for number in (3, 4, 5, 6)]
    assert all({"flair", "t1ce", "brain", "label"} <= set(case) for case in cases)
