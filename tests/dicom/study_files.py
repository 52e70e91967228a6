"""DICOM studies of arrays, for tests that read them."""

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

MR, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
NAME, ID = "Doe^Jane", "MRN-4711"  # must not be seen anywhere
STUDY, PLACE = "1.2.826.0.1.1", "1.2.826.0.1.2"
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
    """Write a volume (x, y, z) in NIfTI's axes as one MR file per slice, and return the paths in that order.

    A tag that is None is left out.
    """
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / spacing
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(volume.shape[2]):
        dataset = common_tags(number, description, f"{STUDY}.{number}.{index + 1}", MR)
        dataset.InstanceNumber = index + 1
        dataset.ImageOrientationPatient = [float(f"{value:.12g}") for value in (*axes[:, 0], *axes[:, 1])]
        dataset.ImagePositionPatient = [float(f"{value:.12g}") for value in lps[:3, 3] + lps[:3, 2] * index]
        dataset.PixelSpacing = [float(spacing[1]), float(spacing[0])]
        dataset.SliceThickness = float(spacing[2])
        add_pixels(dataset, volume[:, :, index].T)
        for tag, value in tags.items():
            if value is None:
                delattr(dataset, tag)
            else:
                setattr(dataset, tag, value)
        paths.append(folder / f"{prefix}{index:03}.dcm")
        save(dataset, paths[-1])
    return paths


def common_tags(number, description, instance, kind):
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = kind, instance, "MR"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = NAME, ID, "19500101", "F"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber, dataset.StudyID = "20200101", "120000", "1", "1"
    dataset.ReferringPhysicianName, dataset.Manufacturer = "", "painted"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, f"{STUDY}.{number}"
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = PLACE, ""
    dataset.SeriesNumber, dataset.SeriesDescription = number, description
    return dataset


def add_pixels(dataset, pixels):
    """Add (rows, columns) or (frames, rows, columns)."""
    signed = pixels.min() < 0
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = int(signed)
    dataset.PixelData = np.ascontiguousarray(pixels.astype("<i2" if signed else "<u2")).tobytes()


def save(dataset, path):
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


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
