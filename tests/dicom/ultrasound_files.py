"""Ultrasound files with pixels in every way that a scanner stores them, and how they are read."""

import json

import numpy as np
from pydicom.dataset import Dataset
from study_files import OF_TESTS, save

from shared.dicom import LoadImageUltrasoundd, ultrasound_cases
from shared.phantoms import paint_breast
from shared.phantoms.dicom_files import common_tags
from shared.transforms import LoadPictured

US, US_FRAMES = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"
GREY = paint_breast((0, 1, 1), (64, 96), kind="benign")[0]
COLOURED = np.stack([GREY, GREY // 2, 255 - GREY], axis=-1)


def write_ultrasound(
    folder, pixels, number=1, photometric="MONOCHROME2", frames=None, regions=(), modality="US", **tags
):
    """Write (H, W), (H, W, 3), or with `frames` one more axis in front."""
    kind = US if frames is None else US_FRAMES
    dataset = common_tags(OF_TESTS, 1, "breast left", f"1.2.3.{number}", kind, modality)
    dataset.InstanceNumber = number
    shape = pixels.shape if frames is None else pixels.shape[1:]
    dataset.Rows, dataset.Columns = shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3 if len(shape) == 3 else 1), photometric
    if len(shape) == 3:
        dataset.PlanarConfiguration = 0
    if frames is not None:
        dataset.NumberOfFrames = frames
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits, bits - 1, 0
    dataset.PixelData = pixels.tobytes()
    if regions:
        dataset.SequenceOfUltrasoundRegions = [region(*given) for given in regions]
    for tag, value in tags.items():
        setattr(dataset, tag, value)
    path = folder / f"{number}.dcm"
    save(dataset, path)
    return path


def region(box, spatial_format=1, units=3, steps=(0.01, 0.02)):
    item = Dataset()
    item.RegionLocationMinX0, item.RegionLocationMinY0, item.RegionLocationMaxX1, item.RegionLocationMaxY1 = box
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = spatial_format, 1, 0
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = units
    item.PhysicalDeltaX, item.PhysicalDeltaY = steps
    return item


def read(case):
    return np.asarray(LoadPictured()(LoadImageUltrasoundd()(case))["image"])


def only(folder):
    (case,) = ultrasound_cases(folder)
    return case


def note(case):
    return json.loads(case["dicom"])
