"""Array transforms and their dictionary versions (suffix ``d``)."""

from .calibration_pairs import CalibrationPairsd
from .fuzzy_membership import (
    LABELLED_AT_LEAST,
    FuzzyMembership,
    FuzzyMembershipd,
    flipped_share,
    fuzzy_hesitation,
    fuzzy_membership,
    fuzzy_non_membership,
    keep_argmax,
    onehot_label,
)
from .keep_label import KeepLabeld
from .label_conventions import LABEL_CONVENTIONS
from .load_modalities import LoadImageModalitiesd
from .map_label import MapLabel, MapLabeld
from .nifti_grid import nifti_on_grid
from .normalize_in_brain import NormalizeInBrain, NormalizeInBraind, brain_of_normalized, in_brain
from .note_brain import NoteBraind
from .note_inputs import NoteInputsd
from .overlay import draw_overlay
from .regions import REGION_NAMES, TumourRegions, TumourRegionsd
from .safe_spacing import SafeSpacingd
from .same_grid import RequireSameGridd, grid_difference
from .save_case import SaveImageCased
from .segmentation import SegmentationAndUncertaintyd
from .source_file import source_file
from .stack_modalities import StackModalitiesd

__all__ = [
    "LABELLED_AT_LEAST",
    "LABEL_CONVENTIONS",
    "REGION_NAMES",
    "CalibrationPairsd",
    "FuzzyMembership",
    "FuzzyMembershipd",
    "KeepLabeld",
    "LoadImageModalitiesd",
    "MapLabel",
    "MapLabeld",
    "NormalizeInBrain",
    "NormalizeInBraind",
    "NoteBraind",
    "NoteInputsd",
    "RequireSameGridd",
    "SafeSpacingd",
    "SaveImageCased",
    "SegmentationAndUncertaintyd",
    "StackModalitiesd",
    "TumourRegions",
    "TumourRegionsd",
    "brain_of_normalized",
    "draw_overlay",
    "flipped_share",
    "fuzzy_hesitation",
    "fuzzy_membership",
    "fuzzy_non_membership",
    "grid_difference",
    "in_brain",
    "keep_argmax",
    "nifti_on_grid",
    "onehot_label",
    "source_file",
]
