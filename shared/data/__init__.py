"""Find the files of cases, and split cases into training, validation and test."""

from .breast_cases import find_breast_cases
from .breast_split import split_breast_cases
from .case_cache import CaseCache
from .case_stream import CaseStream
from .epoch_dataset import EpochDataset
from .gland_cases import find_gland_cases
from .gland_grades import GRADES
from .gland_split import split_gland_cases
from .hand_out import hand_out
from .incomplete_cases import incomplete_cases
from .layouts import LAYOUTS
from .modality_subsets import NOT_RUN, modality_subsets, subset_name
from .mri_cases import find_mri_cases
from .named_cases import name_cases
from .near_duplicates import group_near_duplicates, picture_similarity
from .painted_cases import find_mri_cases_if_given, split_with_painted
from .painted_epoch_dataset import PaintedEpochDataset
from .process_share import process_share
from .splits import PARTS, count_cases_sharing, split_cases

__all__ = [
    "GRADES",
    "LAYOUTS",
    "NOT_RUN",
    "PARTS",
    "CaseCache",
    "CaseStream",
    "EpochDataset",
    "PaintedEpochDataset",
    "count_cases_sharing",
    "find_breast_cases",
    "find_gland_cases",
    "find_mri_cases",
    "find_mri_cases_if_given",
    "group_near_duplicates",
    "hand_out",
    "incomplete_cases",
    "modality_subsets",
    "name_cases",
    "picture_similarity",
    "process_share",
    "split_breast_cases",
    "split_cases",
    "split_gland_cases",
    "split_with_painted",
    "subset_name",
]
