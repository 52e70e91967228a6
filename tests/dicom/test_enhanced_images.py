import json

import numpy as np
import pytest
from reading import MODALITIES, cases_of, refusal
from study_files import (
    AXIAL,
    oblique,
    painted,
    write_enhanced,
)

from shared.errors import InputError
from shared.transforms import LoadImageModalitiesd


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
