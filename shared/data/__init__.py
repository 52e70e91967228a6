"""Which files exist and how cases are dealt out."""

from .breast_cases import find_breast_cases, split_breast_cases
from .breast_phantom_tissue import paint_breast
from .breast_phantoms import paint_breast_phantoms
from .case_cache import CaseCache
from .case_stream import CaseStream
from .cases import LAYOUTS, find_cases
from .epoch_dataset import EpochDataset
from .gland_cases import GRADES, find_gland_cases, split_gland_cases
from .gland_phantom_stain import paint_glands
from .gland_phantoms import paint_gland_phantoms
from .modality_subsets import NOT_RUN, modality_subsets, subset_name
from .near_duplicates import group_near_duplicates, picture_similarity
from .phantom_scan import SEQUENCES, paint_case, upright_affine
from .phantoms import paint_brats_phantoms
from .process_share import process_share
from .splits import PARTS, count_cases_sharing, split_cases

__all__ = [
    "GRADES",
    "LAYOUTS",
    "NOT_RUN",
    "PARTS",
    "SEQUENCES",
    "CaseCache",
    "CaseStream",
    "EpochDataset",
    "count_cases_sharing",
    "find_breast_cases",
    "find_cases",
    "find_gland_cases",
    "group_near_duplicates",
    "modality_subsets",
    "paint_brats_phantoms",
    "paint_breast",
    "paint_breast_phantoms",
    "paint_case",
    "paint_gland_phantoms",
    "paint_glands",
    "picture_similarity",
    "process_share",
    "split_breast_cases",
    "split_cases",
    "split_gland_cases",
    "subset_name",
    "upright_affine",
]
