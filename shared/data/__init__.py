"""Which files exist and how cases are dealt out."""

from .case_stream import CaseStream
from .cases import LAYOUTS, find_cases
from .epoch_dataset import EpochDataset
from .phantom_scan import SEQUENCES, paint_case, upright_affine
from .phantoms import paint_brats_phantoms
from .process_share import process_share
from .splits import PARTS, split_cases

__all__ = [
    "LAYOUTS",
    "PARTS",
    "SEQUENCES",
    "CaseStream",
    "EpochDataset",
    "find_cases",
    "paint_brats_phantoms",
    "paint_case",
    "process_share",
    "split_cases",
    "upright_affine",
]
