"""DICOM studies in, which series is which modality, and DICOM Segmentations and their volumes out."""

from .save_segmentation import SaveImageDicomSegd, dicom_segmentation
from .study_cases import find_cases_or_study, study_cases
from .volume_report import volume_report

__all__ = ["SaveImageDicomSegd", "dicom_segmentation", "find_cases_or_study", "study_cases", "volume_report"]
