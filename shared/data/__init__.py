"""Which files exist and how cases are dealt out."""

from .case_stream import CaseStream
from .cases import LAYOUTS, find_cases
from .epoch_dataset import EpochDataset
from .file_patterns import match_files, paths_below
from .msd_listing import read_msd_listing
from .phantom_anatomy import Head
from .phantom_scan import SEQUENCES, paint_case, upright_affine
from .phantom_shapes import TISSUES, SmoothField, cover, distance_to_line, distance_to_point, ellipsoid_depth, rotation
from .phantom_tumour import Tumour
from .phantoms import paint_brats_phantoms
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
    "Tumour",
    "cover",
    "distance_to_line",
    "distance_to_point",
    "ellipsoid_depth",
    "find_cases",
    "match_files",
    "paint_brats_phantoms",
    "paint_case",
    "paths_below",
    "process_share",
    "read_msd_listing",
    "rotation",
    "split_cases",
    "upright_affine",
]
