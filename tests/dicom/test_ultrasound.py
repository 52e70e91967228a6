"""Which pictures of an ultrasound study are cases, their regions and areas, and what is said of the patient."""

import logging

import numpy as np
import pytest
from PIL import Image
from study_files import ID, NAME, change
from ultrasound_files import GREY, note, only, read, write_ultrasound

from shared.dicom import find_pictures_or_study, ultrasound_cases
from shared.errors import InputError
from shared.transforms.pixel_areas import area_mm2, pixel_areas_mm2


def test_outside_of_the_regions_the_picture_is_black(tmp_path):
    write_ultrasound(tmp_path, np.full_like(GREY, 200), regions=[((10, 8, 59, 47), 1, 3), ((70, 8, 90, 47), 3, 4)])
    picture = read(only(tmp_path))
    assert (picture[:, 8:48, 10:60] == np.float32(200 / 255)).all()
    assert picture.sum() == pytest.approx(3 * 40 * 50 * 200 / 255, rel=1e-5)


def test_areas_follow_the_regions(tmp_path):
    """0.01 cm x 0.02 cm are 0.1 mm x 0.2 mm: 0.02 mm2."""
    write_ultrasound(tmp_path, GREY, regions=[((10, 8, 59, 47),), ((60, 8, 95, 47), 1, 4)])
    given = note(only(tmp_path))
    assert given["regions"][0] == {"rows": [8, 47], "columns": [10, 59], "mm_per_pixel": [0.1, 0.2]}
    assert given["regions"][1]["mm_per_pixel"] is None
    areas = pixel_areas_mm2(given, GREY.shape)
    mask = np.zeros(GREY.shape, dtype=bool)
    assert area_mm2(areas, mask) == 0
    mask[10:20, 10:30] = True
    assert area_mm2(areas, mask) == pytest.approx(200 * 0.02)
    mask[10, 60] = True
    assert area_mm2(areas, mask) is None


def test_without_regions_the_spacing_of_the_pixels_counts(tmp_path):
    write_ultrasound(tmp_path, GREY, PixelSpacing=[0.2, 0.1])
    areas = pixel_areas_mm2(note(only(tmp_path)), GREY.shape)
    np.testing.assert_allclose(areas, 0.02)
    assert note(only(tmp_path))["mm_per_pixel"] == [0.1, 0.2]


def test_burned_in_text_is_noted_and_said_where_no_region_hides_it(tmp_path, caplog):
    write_ultrasound(tmp_path, GREY, number=1, BurnedInAnnotation="YES")
    write_ultrasound(tmp_path, GREY, number=2, BurnedInAnnotation="NO")
    write_ultrasound(tmp_path, GREY, number=3, regions=[((10, 8, 59, 47),)], BurnedInAnnotation="YES")
    write_ultrasound(tmp_path, GREY, number=4)
    cases = ultrasound_cases(tmp_path)
    assert [note(case)["burned_in_annotation"] for case in cases] == ["YES", "NO", "YES", "not said"]
    assert "2 of 4 images may show the patient's name" in caplog.text


def test_other_images_are_left_out_with_a_warning(tmp_path, caplog):
    write_ultrasound(tmp_path, GREY, number=1)
    write_ultrasound(tmp_path, GREY, number=2, regions=[((10, 8, 59, 47), 3)])
    write_ultrasound(tmp_path, GREY, number=3, SOPClassUID="1.2.840.10008.5.1.4.1.1.6.2")
    write_ultrasound(tmp_path, GREY, number=4, modality="MG")
    (tmp_path / "report.txt").write_text("text")
    assert only(tmp_path)["image"].endswith("1.dcm")
    assert "2.dcm: shows no 2D region, but M-mode or a spectrum and is left out" in caplog.text
    assert "3.dcm: is a volume and is left out" in caplog.text


def test_nothing_that_is_shown_holds_data_of_the_patient(tmp_path, caplog):
    write_ultrasound(tmp_path, GREY)
    with caplog.at_level(logging.DEBUG):
        case = only(tmp_path)
        read(case)
    shown = caplog.text + case["case"] + case["dicom"]
    assert not [word for word in (*NAME.split("^"), ID, "19500101") if word.lower() in shown.lower()]


def test_what_is_no_study_of_ultrasound_is_named(tmp_path):
    with pytest.raises(InputError, match="no such folder; give the folder of a DICOM study with --dicom_dir"):
        ultrasound_cases(tmp_path / "none")
    write_ultrasound(tmp_path, GREY, modality="MG")
    with pytest.raises(InputError, match="holds no ultrasound images, only MG"):
        ultrasound_cases(tmp_path)
    write_ultrasound(tmp_path, GREY, number=2, regions=[((0, 0, 9, 9), 2)])
    with pytest.raises(InputError, match="none of its 1 ultrasound images is a 2D picture"):
        ultrasound_cases(tmp_path)
    change(tmp_path / "2.dcm", PatientID="other")
    with pytest.raises(InputError, match="holds files of 2 patients"):
        ultrasound_cases(tmp_path)


def test_either_pictures_or_a_study_are_read(tmp_path):
    write_ultrasound(tmp_path / "study", GREY)
    Image.fromarray(GREY).save(tmp_path / "one.png")
    assert find_pictures_or_study(tmp_path / "one.png", ["normal"], None, None)[0]["case"] == "one"
    assert find_pictures_or_study("", ["normal"], None, tmp_path / "study") == ultrasound_cases(tmp_path / "study")
    with pytest.raises(InputError, match="--dicom_dir and --dataset_dir or --cases_file are both given"):
        find_pictures_or_study("data", ["normal"], None, tmp_path / "study")
