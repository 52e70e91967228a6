import json

import numpy as np
import pytest
from pydicom.dataset import Dataset
from reading import MODALITIES, cases_of, refusal
from study_files import (
    AXIAL,
    ENHANCED_MR,
    PLACE,
    add_pixels,
    common_tags,
    oblique,
    painted,
    save,
)

from shared.errors import InputError
from shared.transforms import LoadImageModalitiesd


def write_enhanced(path, volume, affine, description, order=None, slopes=None, **tags):
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / spacing
    dataset = common_tags(4, description, "1.2.3.4", ENHANCED_MR)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "T2", "NONE"]
    dataset.NumberOfFrames, dataset.FrameOfReferenceUID = volume.shape[2], PLACE
    shared, measures, plane, timing = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [spacing[1], spacing[0]], spacing[2]
    plane.ImageOrientationPatient = [*axes[:, 0], *axes[:, 1]]
    timing.RepetitionTime = 5000
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    shared.MRTimingAndRelatedParametersSequence = [timing]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for place in order or range(volume.shape[2]):
        frame, position, echo, values = Dataset(), Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = list(lps[:3, 3] + lps[:3, 2] * place)
        echo.EffectiveEchoTime = 100.0
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = (slopes or [1] * 99)[place], 0, "US"
        frame.PlanePositionSequence, frame.MREchoSequence = [position], [echo]
        frame.PixelValueTransformationSequence = [values]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    add_pixels(dataset, volume.T)
    path.parent.mkdir(exist_ok=True)
    save(dataset, path)


def test_enhanced_multi_frame_images_are_read_right(tmp_path):
    volume = painted()
    write_enhanced(tmp_path / "a.dcm", volume, oblique(AXIAL), "", slopes=[2.5] * 8)
    (case,) = cases_of(tmp_path)
    assert json.loads(case["dicom"])["series"]["t2"]["why"] == "echo time 100 ms, repetition time 5000 ms, axial"
    image = LoadImageModalitiesd(MODALITIES)(case)["t2"]
    np.testing.assert_allclose(image.affine, oblique(AXIAL), atol=1e-4)
    np.testing.assert_allclose(image[0], volume * 2.5)


def test_enhanced_images_that_cannot_be_read_right_are_refused(tmp_path):
    write_enhanced(tmp_path / "a.dcm", painted(), AXIAL, "t2", slopes=list(range(1, 9)))
    assert "frames have different rescale slopes" in refusal(tmp_path)
    write_enhanced(tmp_path / "a.dcm", painted(), AXIAL, "t2", order=[0, 1, 1, 3, 4, 5, 6, 7])
    assert "two slices are 0 mm apart" in refusal(tmp_path)
    write_enhanced(tmp_path / "a.dcm", painted(), AXIAL, "t2", order=[0, 2, 1, 3, 4, 5, 6, 7])
    with pytest.raises(InputError, match=r"slices would be read .* mm from where their tags place them"):
        LoadImageModalitiesd(MODALITIES)(cases_of(tmp_path)[0])
