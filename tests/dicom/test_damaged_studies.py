import re
import shutil

import pydicom
import pytest
from reading import refusal
from study_files import (
    add_pixels,
    change,
)


def remove_slice(folder, paths):
    paths[3].unlink()


def double_slice(folder, paths):
    shutil.copy(paths[2], folder / "copy.dcm")


def double_position(folder, paths):
    change(paths[2], ImagePositionPatient=pydicom.dcmread(paths[3]).ImagePositionPatient)


def turn_slice(folder, paths):
    change(paths[2], ImageOrientationPatient=[1, 0, 0, 0, 0, -1])


def cut_off(folder, paths):
    paths[5].write_bytes(paths[5].read_bytes()[:-100])


def cut_off_in_header(folder, paths):
    paths[0].write_bytes(paths[0].read_bytes()[:700])


def empty_file(folder, paths):
    paths[7].write_bytes(b"")


def other_patient(folder, paths):
    for path in paths:
        change(path, PatientID="other")


def other_study(folder, paths):
    change(paths[0], StudyInstanceUID="1.2.3")


def no_orientation(folder, paths):
    for path in paths:
        change(path, ImageOrientationPatient=None)


def no_position(folder, paths):
    change(paths[1], ImagePositionPatient=None)


def no_spacing(folder, paths):
    change(paths[1], PixelSpacing=None)


def tilt(folder, paths):
    for index, path in enumerate(paths):
        x, y, z = pydicom.dcmread(path).ImagePositionPatient
        change(path, ImagePositionPatient=[x, y + index, z])


def other_size(folder, paths):
    dataset = pydicom.dcmread(paths[7])
    add_pixels(dataset, dataset.pixel_array[:-2])
    dataset.save_as(paths[7])


def other_echo(folder, paths):
    change(paths[7], EchoTime=20)


def other_type(folder, paths):
    change(paths[7], ImageType=["DERIVED", "SECONDARY"])


def empty_position(folder, paths):
    dataset = pydicom.dcmread(paths[1])
    dataset.ImagePositionPatient = None
    dataset.save_as(paths[1])


DAMAGES = {
    remove_slice: r"slices are missing or unevenly spaced \(steps of 3 to 6 mm\)",
    double_slice: r"a/002.dcm and a/copy.dcm are the same image|a/copy.dcm and a/002.dcm",
    double_position: r"two slices are 0 mm apart",
    turn_slice: r"series 4 \(t2_tse_tra\): slices are turned against each other",
    cut_off: r"^a/005.dcm: is cut off or damaged; copy it again",
    cut_off_in_header: r"^a/000.dcm: is cut off or damaged",
    empty_file: r"^a/007.dcm: is cut off or damaged",
    other_patient: r"holds files of 2 patients \(by id, name or date of birth\); give one study",
    other_study: r"holds files of 2 studies",
    no_orientation: r"series 4 \(t2_tse_tra\): a/000.dcm has no ImageOrientationPatient of 6 numbers",
    no_position: r"a/001.dcm has no ImagePositionPatient",
    no_spacing: r"a/001.dcm has no PixelSpacing of 2 numbers",
    empty_position: r"a/001.dcm has no ImagePositionPatient",
    tilt: r"the slices step sideways, 7 mm in all \(tilted gantry\)",
    other_size: r"slices have 24 x 18 and 24 x 20 pixels",
    other_echo: r"its series holds stacks of 7, 1 images, which differ in ImageType, echo or b-value",
    other_type: r"its series holds stacks of 7, 1 images",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_studies_are_refused_in_one_line(tmp_path, study, damage):
    damage(tmp_path / "a", study["t2"])
    assert re.search(DAMAGES[damage], refusal(tmp_path))
