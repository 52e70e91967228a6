"""Which files exist and how cases are dealt out."""

from .case_stream import CaseStream
from .cases import LAYOUTS, find_cases
from .epoch_dataset import EpochDataset
from .file_patterns import match_files, paths_below
from .msd_listing import read_msd_listing
from .phantom_anatomy import TISSUES, Head, SmoothField
from .phantom_scan import SEQUENCES, paint_case, upright_affine
from .process_share import process_share
from .splits import PARTS, split_cases

__all__ = [
    "LAYOUTS",
    "PARTS",
    "SEQUENCES",
    "TISSUES",
    "CaseStream",
    "EpochDataset",
    "Head",
    "SmoothField",
    "find_cases",
    "match_files",
    "paint_case",
    "paths_below",
    "process_share",
    "read_msd_listing",
    "split_cases",
    "upright_affine",
]
