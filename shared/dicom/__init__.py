"""DICOM studies in, which series is which modality, and DICOM Segmentations out."""

from .save_segmentation import SaveImageDicomSegd, dicom_segmentation
from .study_cases import find_cases_or_study, study_cases

__all__ = ["SaveImageDicomSegd", "dicom_segmentation", "find_cases_or_study", "study_cases"]
