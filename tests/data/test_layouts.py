"""The layouts of published data sets."""

from pathlib import Path

import pytest
from case_files import ALL, touch, write_brats2021, write_listing

from shared.data import find_mri_cases


def test_brats_to_2021_in_any_folder_with_or_without_gz(tmp_path):
    brats2021 = write_brats2021(tmp_path)
    first, second = find_mri_cases(brats2021, ["flair", "t1"], needs_label=True)
    assert list(first) == ["case", "patient", "flair", "t1", "label"]
    assert first["case"] == first["patient"] == "a"
    assert first["flair"] == str(brats2021 / "HGG/a/a_flair.nii.gz")
    assert second == {
        "case": "b",
        "patient": "b",
        "flair": str(brats2021 / "b_flair.nii"),
        "label": str(brats2021 / "b_seg.nii"),
    }


def test_the_t1_of_a_case_is_not_its_t1ce(tmp_path):
    brats2021 = write_brats2021(tmp_path)
    (case,) = find_mri_cases(brats2021 / "HGG", "t1")
    assert case["t1"].endswith("a_t1.nii.gz")
    assert "t1ce" not in case


def test_brats_2023_with_time_points_of_one_patient(tmp_path):
    for case in ("BraTS-GLI-00005-000", "BraTS-GLI-00005-001", "BraTS-MET-00086-000", "mine-001"):
        touch(tmp_path, *[f"{case}/{case}-{ending}.nii.gz" for ending in ("t1n", "t1c", "t2w", "t2f", "seg")])
    cases = find_mri_cases(tmp_path, ALL, layout="brats2023", needs_label=True)
    assert [case["patient"] for case in cases] == ["BraTS-GLI-00005"] * 2 + ["BraTS-MET-00086", "mine-001"]
    assert [Path(cases[0][name]).name[20:] for name in ALL] == [f"{end}.nii.gz" for end in ("t1n", "t1c", "t2w", "t2f")]


def test_names_of_brats_hold_the_patient_in_any_layout(tmp_path):
    touch(tmp_path, *[f"imagesTr/BraTS-GLI-00005-00{visit}_0000.nii.gz" for visit in (0, 1)])
    write_listing(tmp_path, channel_names={"0": "FLAIR"}, labels={"background": 0}, file_ending=".nii.gz")
    for layout in ("nnunet", {"flair": "imagesTr/{case}_0000.nii.gz"}):
        assert {case["patient"] for case in find_mri_cases(tmp_path, ["flair"], layout)} == {"BraTS-GLI-00005"}


@pytest.mark.parametrize(
    ("case", "patient"),
    [
        ("Brats18_2013_0_1", "Brats18_2013_0"),
        ("Brats17_TCIA_105_2", "Brats17_TCIA_105"),
        ("BraTS19_CBICA_AAB_1", "BraTS19_CBICA_AAB"),
        ("BraTS20_Training_001", "BraTS20_Training_001"),
        ("BraTS2021_00000", "BraTS2021_00000"),
        ("phantom_1", "phantom_1"),
    ],
)
def test_the_older_names_of_brats_hold_the_patient(tmp_path, case, patient):
    touch(tmp_path, f"{case}_flair.nii.gz")
    assert find_mri_cases(tmp_path, ["flair"])[0]["patient"] == patient


def test_the_label_of_brats_men_rt_is_the_gross_tumour_volume(tmp_path):
    touch(tmp_path, *[f"BraTS-MEN-RT-0001-1/BraTS-MEN-RT-0001-1_{name}.nii.gz" for name in ("t1c", "gtv")])
    (case,) = find_mri_cases(tmp_path, ["t1ce"], "brats_men_rt", needs_label=True)
    assert (case["patient"], "unusable" in case) == ("BraTS-MEN-RT-0001", False)


@pytest.mark.parametrize("suffix", [".NII.GZ", ".Nii", ".nii.GZ", ".NII"])
def test_suffixes_may_be_in_capitals(tmp_path, suffix):
    touch(tmp_path, f"a/a_flair{suffix}", f"a/a_seg{suffix}", f"b/Flair_1{suffix}")
    (case,) = find_mri_cases(tmp_path, ["flair"], needs_label=True)
    assert (case["case"], Path(case["label"]).name) == ("a", f"a_seg{suffix}")
    ending = "nii.gz" if suffix.lower().endswith("gz") else "nii"
    assert find_mri_cases(tmp_path, ["flair"], {"flair": "{case}/Flair_*." + ending})[0]["case"] == "b"
    (alone,) = find_mri_cases(tmp_path / f"a/a_flair{suffix}", ["flair"])
    assert alone["case"] == "a_flair"


def test_prostate158_has_a_folder_per_case_and_an_adc_that_may_be_absent(tmp_path):
    touch(tmp_path, "001/t2.nii.gz", "001/t2_anatomy_reader1.nii.gz")
    (case,) = find_mri_cases(tmp_path, ["t2", "adc"], "prostate158", needs_label=True)
    assert case["case"] == "001"
    assert "adc" not in case
