import json
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import torch
from monai.data import MetaTensor
from study_files import AXIAL, CORONAL, ID, SAGITTAL, T2, change, oblique, painted, write_series

from shared.dicom import SaveImageDicomSegd, dicom_segmentation
from shared.errors import InputError
from shared.transforms import LoadImageModalitiesd

CONFIG = Path("bundles/prostate_mri_segmentation_expert_consistency/configs/inference.json")
CODES = json.loads(CONFIG.read_text())["segment_codes"]
METADATA = str(CONFIG.with_name("metadata.json"))
FLIP = np.diag([-1, -1, 1, 1])


def blobs(shape=(24, 20, 8)):
    """Two boxes that no symmetry maps onto themselves."""
    labels = np.zeros(shape, dtype=np.uint8)
    labels[3:9, 5:17, 1:4], labels[10:20, 2:7, 2:7] = 1, 2
    return labels


def points(affine, mask):
    """World positions of the voxels of a mask, sorted and rounded to 0.01 mm."""
    places = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    return np.array(sorted(map(tuple, places.round(2) + 0.0)))


def loaded(files):
    return LoadImageModalitiesd(["t2"])({"t2": [str(file) for file in files]})["t2"]


@pytest.mark.parametrize("affine", [AXIAL, CORONAL, SAGITTAL, oblique(AXIAL), oblique(CORONAL)])
def test_every_voxel_is_at_the_same_place_as_in_the_label_map(tmp_path, affine):
    """Read back from the file by highdicom, in world coordinates; files in the order of their heights."""
    files = write_series(tmp_path / "s", painted(), affine, 4, "t2", **T2)
    normal = np.cross(*np.array(pydicom.dcmread(files[0]).ImageOrientationPatient).reshape(2, 3))
    files = sorted(files, key=lambda file: normal @ np.array(pydicom.dcmread(file).ImagePositionPatient))
    image = loaded(files)
    labels = blobs()
    dicom_segmentation(labels, image, files, CODES, "name", "0.1.0").save_as(tmp_path / "seg.dcm")
    read = highdicom.seg.segread(tmp_path / "seg.dcm")
    for number in (1, 2):
        volume = read.get_volume(segment_numbers=[number], combine_segments=True)
        found = points(FLIP @ volume.affine, np.asarray(volume.array) > 0)
        np.testing.assert_allclose(found, points(np.asarray(image.affine), labels == number), atol=0.02)


@pytest.fixture
def series(tmp_path):
    return write_series(tmp_path / "s", painted(), AXIAL, 4, "t2", **T2)


def test_codes_references_and_algorithm(series):
    read = dicom_segmentation(blobs(), loaded(series), series, CODES, "a bundle", "0.1.0")
    source = pydicom.dcmread(series[0])
    for number, name in enumerate(CODES, start=1):
        segment = read.get_segment_description(number)
        assert segment.segment_label == name
        assert segment.segmented_property_type.value == CODES[name]["type"][0]
        (algorithm,) = segment.algorithm_identification
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("a bundle", "0.1.0")
    assert {uid for _, _, uid in read.get_source_image_uids()} == {
        pydicom.dcmread(file).SOPInstanceUID for file in series
    }
    assert read.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    for tag in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert read[tag].value == source[tag].value


def test_the_same_result_has_the_same_uid_and_another_one_another(series):
    image, labels = loaded(series), blobs()
    one, same = (dicom_segmentation(labels, image, series, CODES, "a", "1").SOPInstanceUID for _ in range(2))
    assert one == same
    labels[0, 0, 0] = 1
    assert dicom_segmentation(labels, image, series, CODES, "a", "1").SOPInstanceUID != one


def test_an_empty_finding_is_an_object_with_all_segments(series, tmp_path):
    dicom_segmentation(0 * blobs(), loaded(series), series, CODES, "a", "1").save_as(tmp_path / "seg.dcm")
    read = highdicom.seg.segread(tmp_path / "seg.dcm")
    assert list(read.segment_numbers) == [1, 2]
    assert not read.pixel_array.any()


def test_a_label_map_elsewhere_is_refused(series):
    image = loaded(series)
    moved = MetaTensor(image.as_tensor(), affine=torch.as_tensor(np.diag([1, 1, 1, 1]) @ AXIAL) + 1.0)
    with pytest.raises(InputError, match=r"slices of the label map are \S+ mm from those of its series"):
        dicom_segmentation(blobs(), moved, series, CODES, "a", "1")
    with pytest.raises(InputError, match=r"has \(7, 20, 24\) slices, rows and columns, its series has \(8, 20, 24\)"):
        dicom_segmentation(blobs()[:, :, 1:], image, series, CODES, "a", "1")


def saver(tmp_path, **options):
    settings = {"class_names": list(CODES), "segment_codes": CODES, "metadata_path": METADATA, "dicom_dir": "x"}
    return SaveImageDicomSegd(str(tmp_path / "out"), **settings | options)


def test_the_saver_writes_next_to_the_results_and_tells_the_record(series, tmp_path, caplog, recwarn):
    """highdicom would warn of a name without a caret, and quote it."""
    files = [str(file) for file in series]
    for path in series:
        change(path, PatientName="Janedoe")
    recwarn.clear()
    caplog.set_level(0)
    inputs = json.dumps({"files": {"t2": files}, "begun": 0})
    data = {"case": "study_1", "image": loaded(files), "pred": torch.from_numpy(blobs()[None]), "inputs": inputs}
    note = json.loads(saver(tmp_path)(data | {"dicom": "{}"})["dicom"])
    read = highdicom.seg.segread(tmp_path / "out" / "study_1" / note["segmentation"])
    assert note == {"segmentation": "study_1_seg.dcm", "uid": read.SOPInstanceUID}
    assert (read.PatientName, read.PatientID) == ("Janedoe", ID)
    heard = caplog.text + " ".join(str(warning.message) for warning in recwarn)
    assert "jane" not in heard.lower()
    assert "highdicom" not in caplog.text


def test_settings_that_cannot_work(tmp_path):
    with pytest.raises(InputError, match=r"--dicom_seg: .* give it with --dicom_dir"):
        saver(tmp_path, dicom_dir=None)
    with pytest.raises(InputError, match=r"segment_codes: expected category and type, each .*, for 'gland'"):
        saver(tmp_path, class_names=["gland"])


def test_a_name_in_other_letters_is_kept(series):
    for path in series:
        change(path, PatientName="Müller^Jürgen")
    read = dicom_segmentation(blobs(), loaded(series), series, CODES, "a", "1")
    assert str(read.PatientName) == "Müller^Jürgen"
