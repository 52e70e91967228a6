"""DICOM studies of arrays, for tests that read them."""

import numpy as np
import pydicom

from shared.phantoms import dicom_enhanced, dicom_files
from shared.phantoms.dicom_enhanced import ENHANCED_MR
from shared.phantoms.dicom_files import MR, Study, add_pixels, save

__all__ = ["ENHANCED_MR", "MR", "add_pixels", "save"]

NAME, ID = "Doe^Jane", "MRN-4711"  # must not be seen anywhere
STUDY, PLACE = "1.2.826.0.1.1", "1.2.826.0.1.2"
OF_TESTS = Study(STUDY, PLACE, NAME, ID)
AXIAL = np.array([[-2.0, 0, 0, 40], [0, -2, 0, 50], [0, 0, 3, -30], [0, 0, 0, 1]])
CORONAL = np.array([[-2.0, 0, 0, 40], [0, 0, 3, -30], [0, -2, 0, 50], [0, 0, 0, 1]])
SAGITTAL = np.array([[0, 0, 3.0, -30], [-2, 0, 0, 40], [0, -2, 0, 50], [0, 0, 0, 1]])
T2 = {"EchoTime": 104, "RepetitionTime": 5660, "ScanningSequence": "SE", "ImageType": ["ORIGINAL", "PRIMARY", "M"]}
ADC = {"EchoTime": 63, "RepetitionTime": 2700, "ScanningSequence": "EP", "ImageType": ["DERIVED", "PRIMARY", "ADC"]}


def oblique(affine, angle=0.3):
    """Turn an affine about two axes."""
    c, s = np.cos(angle), np.sin(angle)
    about_x, about_z = np.eye(4), np.eye(4)
    about_x[1:3, 1:3], about_z[:2, :2] = [[c, -s], [s, c]], [[c, -s], [s, c]]
    return about_x @ about_z @ affine


def write_series(folder, volume, affine, number, description="", prefix="", **tags):
    return dicom_files.write_series(folder, volume, affine, number, description, study=OF_TESTS, prefix=prefix, **tags)


def write_enhanced(path, volume, affine, description, **options):
    return dicom_enhanced.write_enhanced(path, volume, affine, 4, description, study=OF_TESTS, **options)


def common_tags(number, description, instance, kind):
    return dicom_files.common_tags(OF_TESTS, number, description, instance, kind)


def change(path, **tags):
    """Change tags of a file; None removes."""
    dataset = pydicom.dcmread(path)
    for tag, value in tags.items():
        if value is None:
            delattr(dataset, tag)
        else:
            setattr(dataset, tag, value)
    dataset.save_as(path)


def painted(shape=(24, 20, 8), seed=0):
    return np.random.default_rng(seed).integers(1, 900, shape).astype(np.int16)


def write_prostate_study(folder, affine=AXIAL, **tags):
    """T2 and ADC on one grid, and a coronal T2."""
    return {
        "t2": write_series(folder / "a", painted(), affine, 4, "t2_tse_tra", **T2 | tags),
        "coronal": write_series(folder / "b", painted(seed=1), CORONAL, 5, "t2_tse_cor", **T2),
        "adc": write_series(folder / "c", painted(seed=2), affine, 7, "ep2d_diff_ADC", **ADC),
    }
