"""The structured report of volumes, read back from its file; and what DICOM's own checker says of what is written."""

import json
import shutil
import subprocess
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import torch
from study_files import AXIAL, T2, change, oblique, painted, write_series

from shared.dicom import SaveImageDicomSegd
from shared.errors import InputError
from shared.transforms import LoadImageModalitiesd

CONFIGS = [path for path in sorted(Path("bundles").glob("*/configs/inference.json")) if "dicom_sr" in path.read_text()]
PROSTATE = next(path for path in CONFIGS if "prostate" in str(path))


@pytest.fixture
def written(tmp_path):
    """Give a function that writes a labelled series' Segmentation and report, and returns both paths."""

    def write(labels, config=PROSTATE, affine=AXIAL, **tags):
        files = [str(file) for file in write_series(tmp_path / "s", painted(labels.shape), affine, 4, "t2", **T2)]
        for file in files:
            change(file, **tags)
        image = LoadImageModalitiesd(["t2"])({"t2": files})["t2"]
        settings = json.loads(config.read_text())
        codes = settings["segment_codes"]
        save = SaveImageDicomSegd(
            str(tmp_path / "out"), list(codes), codes, str(config.with_name("metadata.json")), "x", report=True
        )
        inputs = json.dumps({"files": {"t2": files}, "begun": 0})
        case = {"case": "a", "image": image, "pred": torch.from_numpy(labels[None]), "inputs": inputs, "dicom": "{}"}
        note = json.loads(save(case)["dicom"])
        return [tmp_path / "out" / "a" / note[kind] for kind in ("segmentation", "report")]

    return write


def boxes():
    """100 voxels of class 1 and none of class 2."""
    labels = np.zeros((20, 16, 8), dtype=np.uint8)
    labels[2:7, 3:8, 2:6] = 1
    return labels


@pytest.mark.parametrize("affine", [AXIAL, oblique(AXIAL)])
def test_volumes_read_back_are_those_of_the_label_map(written, affine):
    """Voxels of 2 x 2 x 3 mm: 100 of them are 1.2 ml."""
    segmentation, report = (pydicom.dcmread(path) for path in written(boxes(), affine=affine))
    read = highdicom.sr.EnhancedSR.from_dataset(report)
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    groups = read.content.get_volumetric_roi_measurement_groups()
    found = {}
    for group in groups:
        (measured,) = group.get_measurements(name=pydicom.sr.codedict.codes.SCT.Volume)
        assert measured.unit.value == "cm3"
        segment = group.referenced_segment
        assert segment.referenced_sop_instance_uid == segmentation.SOPInstanceUID
        (number,) = segment.referenced_segment_numbers
        found[number] = (group.tracking_identifier, measured.value)
    assert found == {1: ("peripheral zone", pytest.approx(1.2)), 2: ("transition zone", 0.0)}


def test_patient_study_and_algorithm_are_those_of_the_segmentation(written):
    segmentation, report = (pydicom.dcmread(path) for path in written(boxes()))
    for tag in ("PatientID", "PatientName", "StudyInstanceUID", "ManufacturerModelName", "SoftwareVersions"):
        assert report[tag].value == segmentation[tag].value
    source = segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID
    referred = [item.value for item in report.iterall() if item.keyword == "UID"]
    assert referred.count(source) == 2  # by each of two segments
    assert report.SeriesInstanceUID != segmentation.SeriesInstanceUID


def test_the_same_result_has_the_same_uid(written):
    first, second = (pydicom.dcmread(written(boxes())[1]).SOPInstanceUID for _ in range(2))
    assert first == second


def test_a_date_that_dicom_does_not_allow_is_named_but_not_quoted(written):
    with pydicom.config.disable_value_validation(), pytest.raises(InputError) as refused:
        written(boxes(), PatientBirthDate="1950-02-03")
    assert str(refused.value).startswith("the series' PatientBirthDate cannot be copied into a DICOM Segmentation")
    assert "1950" not in str(refused.value)
    assert refused.value.__suppress_context__


def faults(path):
    """Return what dciodvfy, which ends with status 0 in any case, calls an error."""
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False).stderr
    return [line for line in said.splitlines() if line.startswith("Error")]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy: bash ci/orthanc.sh installs it")
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.parents[1].name)
@pytest.mark.parametrize("labels", [boxes(), 0 * boxes()], ids=["found", "empty"])
def test_dciodvfy_finds_no_error(written, config, labels):
    for path in written(labels, config):
        assert faults(path) == []
        change(path, SeriesInstanceUID=None)
        assert faults(path)  # it does look
