"""Segmentations of ultrasound pictures, which have no place in the patient."""

import json
import shutil
import subprocess
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from study_files import change
from ultrasound_files import GREY, write_ultrasound

from shared.dicom import SaveImagePictureSegd, picture_segmentation
from shared.errors import InputError

CONFIG = Path("bundles/breast_ultrasound_segmentation_interaction/configs/inference.json")
CODES = json.loads(CONFIG.read_text())["segment_codes"]
MASK = np.zeros(GREY.shape, np.uint8)
MASK[3:9, 5:70] = 1  # no symmetry maps it onto itself


@pytest.fixture(params=[None, 3], ids=["a picture", "frames"])
def made(request, tmp_path):
    """Source and Segmentation of a picture, or of the second one of three frames."""
    source = write_ultrasound(tmp_path, GREY if request.param is None else np.stack([GREY] * 3), frames=request.param)
    if request.param is None:
        change(source, FrameOfReferenceUID=None, PositionReferenceIndicator=None)  # most ultrasound has none
    written = picture_segmentation(MASK, str(source), 1 if request.param is None else 2, CODES, "a bundle", "0.1.0")
    written.save_as(tmp_path / "seg.dcm")
    return pydicom.dcmread(source), tmp_path / "seg.dcm"


def test_the_pixels_are_those_of_the_picture_that_is_referred_to(made):
    source, path = made
    read = highdicom.seg.segread(path)
    np.testing.assert_array_equal(read.pixel_array.squeeze(), MASK)
    (frame,) = read.PerFrameFunctionalGroupsSequence
    (reference,) = frame.DerivationImageSequence[0].SourceImageSequence
    assert (reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID) == (
        source.SOPClassUID,
        source.SOPInstanceUID,
    )
    assert reference.get("ReferencedFrameNumber") == (2 if "NumberOfFrames" in source else None)
    assert read.get_segment_description(1).segmented_property_type.meaning == "Lesion"
    for tag in ("PatientID", "StudyInstanceUID"):
        assert read[tag].value == source[tag].value


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy: bash ci/orthanc.sh installs it")
def test_dciodvfy_finds_no_error(made):
    said = subprocess.run(["dciodvfy", made[1]], capture_output=True, text=True, check=False).stderr
    assert [line for line in said.splitlines() if line.startswith("Error")] == []


def test_uids_are_functions_of_picture_frame_and_mask(tmp_path):
    source = str(write_ultrasound(tmp_path, np.stack([GREY] * 3), frames=3))
    uids = [
        picture_segmentation(mask, source, frame, CODES, "a", "1").SOPInstanceUID
        for mask, frame in ((MASK, 1), (MASK, 1), (MASK, 2), (0 * MASK, 1))
    ]
    assert uids[0] == uids[1]
    assert len(set(uids)) == 3


def test_without_a_study_there_is_nothing_to_refer_to(tmp_path):
    options = {
        "class_names": ["lesion"],
        "segment_codes": CODES,
        "metadata_path": str(CONFIG.with_name("metadata.json")),
    }
    with pytest.raises(
        InputError, match=r"^--dicom_seg: refers to the images of a DICOM study; give it with --dicom_dir"
    ):
        SaveImagePictureSegd(str(tmp_path), **options, dicom_dir=None)
