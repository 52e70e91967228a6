"""DICOM studies in: which series is which modality."""

from .study_cases import find_cases_or_study, study_cases

__all__ = ["find_cases_or_study", "study_cases"]
