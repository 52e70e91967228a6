"""Read DICOM studies, recognise their series, write DICOM Segmentations and volumes."""

from .load_ultrasound import LoadImageUltrasoundd
from .save_picture_segmentation import SaveImagePictureSegd, picture_segmentation
from .save_segmentation import SaveImageDicomSegd
from .segmentation_object import dicom_segmentation
from .study_cases import find_cases_or_study, study_cases
from .ultrasound_cases import find_pictures_or_study, ultrasound_cases
from .volume_report import volume_report

__all__ = [
    "LoadImageUltrasoundd",
    "SaveImageDicomSegd",
    "SaveImagePictureSegd",
    "dicom_segmentation",
    "find_cases_or_study",
    "find_pictures_or_study",
    "picture_segmentation",
    "study_cases",
    "ultrasound_cases",
    "volume_report",
]
