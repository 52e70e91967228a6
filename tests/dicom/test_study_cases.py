import json
import logging
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from reading import MODALITIES, RULES, cases_of, refusal
from study_files import (
    ADC,
    AXIAL,
    CORONAL,
    ID,
    NAME,
    SAGITTAL,
    T2,
    change,
    common_tags,
    oblique,
    painted,
    save,
    write_series,
)

from shared.dicom import find_cases_or_study
from shared.errors import InputError
from shared.transforms import LoadImageModalitiesd


def test_each_modality_gets_its_series_in_the_order_of_the_slices_with_reasons(tmp_path, study):
    """Files of all series in one folder under random names; a DICOMDIR, a report and a picture among them."""
    paths = [path for files in study.values() for path in files]
    random.Random(0).shuffle(paths)
    for index, path in enumerate(paths):
        path.rename(tmp_path / f"IM{index}")
    report = common_tags(99, "report", "1.2.3.99", "1.2.840.10008.5.1.4.1.1.88.11")
    report.Modality = "SR"
    save(report, tmp_path / "report.dcm")
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8")
    (case,) = cases_of(tmp_path)
    loaded = LoadImageModalitiesd(MODALITIES)(case)
    for name, seed in (("t2", 0), ("adc", 2)):
        np.testing.assert_array_equal(loaded[name][0], painted(seed=seed))
        np.testing.assert_allclose(loaded[name].affine, AXIAL, atol=1e-4)
    note = json.loads(case["dicom"])
    assert note["series"]["t2"]["why"] == ("description says t2, echo time 104 ms, repetition time 5660 ms, axial")
    assert note["series"]["adc"]["why"] == "description says adc, ImageType ADC, axial"
    assert note["not_taken"]["t2"]["series 5 (t2_tse_cor)"] == "coronal, not axial"
    assert note["files"] == {"dicom": 25, "other": 1}


def test_parameters_alone_tell_the_series(tmp_path):
    write_series(tmp_path / "a", painted(), AXIAL, 1, **T2)
    write_series(tmp_path / "b", painted(), AXIAL, 2, **ADC)
    note = json.loads(cases_of(tmp_path)[0]["dicom"])["series"]
    assert {name: entry["number"] for name, entry in note.items()} == {"t2": "1", "adc": "2"}
    assert note["t2"]["why"] == "echo time 104 ms, repetition time 5660 ms, axial"


def test_two_series_that_fit_equally_well_are_refused_with_the_setting_that_decides(tmp_path, study):
    write_series(tmp_path / "d", painted(seed=3), AXIAL, 9, "t2_tse_tra_2", **T2)
    message = refusal(tmp_path)
    assert message.startswith("t2: series 4 (t2_tse_tra) and series 9 (t2_tse_tra_2) fit equally well")
    assert message.endswith("choose with --series \"{'t2': '4'}\".")
    for name in (9, "9", "T2_TSE_TRA_2", pydicom.dcmread(tmp_path / "d" / "000.dcm").SeriesInstanceUID):
        (case,) = cases_of(tmp_path, series={"t2": name})
        assert Path(case["t2"][0]).parent.name == "d"
        assert json.loads(case["dicom"])["series"]["t2"]["why"] == "--series says so"
    assert "t2" not in cases_of(tmp_path, series={"t2": None})[0]
    assert "--series: '77' for t2 is none of series 4 (t2_tse_tra)" in refusal(tmp_path, series={"t2": 77})
    assert "names 'dwi', but the modalities are t2, adc" in refusal(tmp_path, series={"dwi": 4})


def test_two_series_of_one_number_are_told_apart_by_their_uid(tmp_path):
    for uid in ("1.2.3.1", "1.2.3.2"):
        paths = write_series(tmp_path / uid, painted(), AXIAL, 4, "t2_tse_tra", **T2, SeriesInstanceUID=uid)
        for index, path in enumerate(paths):
            change(path, SOPInstanceUID=f"{uid}.{index}")
    assert "--series \"{'t2': '1.2.3.1'}\"" in refusal(tmp_path)
    assert "'4' for t2 names 2 series" in refusal(tmp_path, series={"t2": 4})
    (case,) = cases_of(tmp_path, series={"t2": "1.2.3.2"})
    assert Path(case["t2"][0]).parent.name == "1.2.3.2"
    assert json.loads(case["dicom"])["not_taken"]["adc"] == {
        f"series 4 (t2_tse_tra) 1.2.3.{number}": "description says t2" for number in (1, 2)
    }


def test_an_absent_modality_is_said_in_the_log_with_why_each_series_is_not_it(tmp_path, study, caplog):
    shutil.rmtree(tmp_path / "c")
    with caplog.at_level(logging.INFO):
        (case,) = cases_of(tmp_path)
    assert "adc" not in case
    assert "t2 is series 4 (t2_tse_tra): description says t2" in caplog.text
    assert "adc is absent (series 4 (t2_tse_tra): description says t2; series 5 (t2_tse_cor): " in caplog.text


def test_nothing_that_is_shown_holds_data_of_the_patient(tmp_path, study, caplog):
    with caplog.at_level(logging.DEBUG):
        (case,) = cases_of(tmp_path)
    shown = caplog.text + case["case"] + case["patient"] + case["dicom"]
    assert not [word for word in (*NAME.split("^"), ID, "19500101") if word.lower() in shown.lower()]
    assert case["case"].startswith("study_")


def test_series_on_two_grids_or_in_two_places(tmp_path, study):
    shutil.rmtree(tmp_path / "c")
    paths = write_series(tmp_path / "c", painted((12, 10, 8)), AXIAL @ np.diag([2, 2, 1, 1]), 7, "adc", **ADC)
    assert "on two grids; bring them onto one with --resample_modalities True" in refusal(tmp_path)
    assert len(cases_of(tmp_path, resample=True)[0]["adc"]) == 8
    for path in paths:
        change(path, FrameOfReferenceUID="1.2.3.9")
    for resample in (False, True):
        assert "their frames of reference differ" in refusal(tmp_path, resample=resample)


def test_a_small_shift_is_another_grid(tmp_path):
    shifted = AXIAL.copy()
    shifted[2, 3] += 0.5
    write_series(tmp_path / "a", painted(), AXIAL, 1, "t2", **T2)
    write_series(tmp_path / "b", painted(), shifted, 2, "adc", **ADC)
    assert "on two grids" in refusal(tmp_path)


def localizer(folder):
    for number, affine in enumerate((AXIAL, CORONAL, SAGITTAL)):
        paths = write_series(folder / "l", painted(seed=9)[:, :, :3], affine, 1, "t2_haste", f"{number}_", **T2)
        for index, path in enumerate(paths):
            change(path, SOPInstanceUID=f"1.2.9.{number}.{index}")


def diffusion(folder):
    """Several b-values in one series."""
    tags = {**ADC, "ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION"]}
    for index, b_value in enumerate((0, 800)):
        paths = write_series(folder / "s", painted(), AXIAL, 6, "ep2d", f"{index}_", **tags, DiffusionBValue=b_value)
        for place, path in enumerate(paths):
            change(path, SOPInstanceUID=f"1.2.9.{index}.{place}")


EXTRAS = [localizer, diffusion]


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra.__name__)
def test_other_series_in_the_study_change_nothing_and_are_named(tmp_path, study, extra):
    extra(tmp_path)
    note = json.loads(cases_of(tmp_path)[0]["dicom"])
    assert {name: entry["number"] for name, entry in note["series"].items()} == {"t2": "4", "adc": "7"}
    assert len(note["not_taken"]["t2"]) >= 3


def test_a_localizer_that_shows_three_planes_is_called_so(tmp_path, study):
    localizer(tmp_path)
    assert json.loads(cases_of(tmp_path)[0]["dicom"])["not_taken"]["t2"]["series 1 (t2_haste)"] == (
        "several planes (a localizer)"
    )


def test_stacks_of_one_series_are_chosen_by_number_and_part(tmp_path, study):
    diffusion(tmp_path)
    assert "names 2 series, series 6.1 (ep2d) and series 6.2 (ep2d); give '6.1'" in refusal(tmp_path, series={"adc": 6})
    assert Path(cases_of(tmp_path, series={"adc": "6.2"})[0]["adc"][0]).name.startswith("1_")


def test_signed_pixels_and_names_in_other_letters(tmp_path):
    volume = painted() - 450
    tags = {**T2, "PatientName": "Müller^Jürgen=山田^太郎", "SeriesDescription": "T2 TSE pondérée axiale Ω"}
    write_series(tmp_path / "Ω é", volume, AXIAL, 4, **tags)
    (case,) = cases_of(tmp_path)
    np.testing.assert_array_equal(LoadImageModalitiesd(MODALITIES)(case)["t2"][0], volume)


@pytest.mark.parametrize("affine", [AXIAL, oblique(AXIAL)], ids=["axial", "oblique"])
def test_positions_are_right_whatever_the_order(tmp_path, affine):
    volume = painted()
    paths = write_series(tmp_path, volume, affine, 4, "t2_tse_tra", **T2)
    for index, path in enumerate(paths):
        change(path, InstanceNumber=99 - index)
        path.rename(tmp_path / f"z{(index * 5) % 8}.dcm")
    image = LoadImageModalitiesd(MODALITIES)(cases_of(tmp_path)[0])["t2"]
    np.testing.assert_allclose(image.affine, affine, atol=1e-4)
    np.testing.assert_array_equal(image[0], volume)


def test_folders_that_are_no_study(tmp_path):
    assert "no such folder; give the folder of a DICOM study with --dicom_dir" in refusal(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("x")
    assert "holds no DICOM file (1 others)" in refusal(tmp_path)
    write_series(tmp_path, painted(), AXIAL, 1, "ct", Modality="CT")
    assert "holds no MR images, only CT" in refusal(tmp_path)


def test_settings_that_exclude_each_other(tmp_path, study):
    options = {"modalities": MODALITIES, "layout": "msd", "rules": RULES}
    with pytest.raises(InputError, match="--dicom_dir and --dataset_dir are both given"):
        find_cases_or_study("data", dicom_dir=tmp_path, series={}, **options)
    with pytest.raises(InputError, match="give its folder with --dicom_dir"):
        find_cases_or_study("data", dicom_dir=None, series={"t2": 4}, **options)
    assert find_cases_or_study("", dicom_dir=tmp_path, series={}, **options) == cases_of(tmp_path)


@pytest.mark.skipif("SEGMENTATION_DATA" not in os.environ, reason="SEGMENTATION_DATA is not set")
def test_a_real_study(tmp_path):
    """ProstateX-0000: axial T2, ADC and a coronal T2, on three grids."""
    source = Path(os.environ["SEGMENTATION_DATA"], "prostate_dicom", "ProstateX-0000")
    if not source.is_dir():
        pytest.skip("prostate_dicom is not there")
    assert "t2 is series 4 (t2_tse_tra), adc is series 7 (ep2d_diff_tra_DYNDIST_ADC): they are on two grids" in refusal(
        source
    )
    note = json.loads(cases_of(source, resample=True)[0]["dicom"])
    assert {name: entry["slices"] for name, entry in note["series"].items()} == {"t2": 19, "adc": 19}
