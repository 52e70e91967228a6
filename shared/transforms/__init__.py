"""Array transforms and their dictionary versions (suffix ``d``)."""

from .at_temperature import at_temperature
from .brain_mask import brain_of_normalized, in_brain
from .calibration_pairs import CalibrationPairsd
from .check_zones import CheckZonesd
from .class_contradiction import class_contradiction
from .experts_figure import draw_experts
from .fuzzy_hesitation import fuzzy_hesitation, fuzzy_non_membership
from .fuzzy_membership import FuzzyMembership, FuzzyMembershipd, fuzzy_membership
from .gland_instances import GlandInstancesd, gland_instances
from .gland_regions import GlandRegionsd, gland_regions
from .hierarchical_segmentation import HierarchicalSegmentationd
from .image_steps import image_steps
from .join_masks import JoinMasksd
from .keep_argmax import LABELLED_AT_LEAST, flipped_share, keep_argmax
from .label_conventions import values_of_classes
from .label_hierarchy import decision_offsets, label_states, state_log_probabilities
from .leave_grid import LeaveGridd
from .load_modalities import LoadImageModalitiesd
from .load_picture import LoadPictured
from .map_label import MapLabel, MapLabeld
from .mask_and_class import MaskAndClassd
from .nifti_grid import nifti_on_grid
from .normalize_in_brain import NormalizeInBrain, NormalizeInBraind
from .normalize_measured import NormalizeMeasured, NormalizeMeasuredd
from .note_brain import NoteBraind
from .note_frame import NoteFramed
from .note_inputs import NoteInputsd
from .onehot_label import onehot_label
from .output_numbers import output_numbers
from .overlay import draw_overlay
from .picture_overlay import draw_picture_overlay
from .prepare_brain import PrepareBraind
from .prepare_prostate import PrepareProstated
from .rand_modality_subset import RandModalitySubsetd
from .regions import TumourRegions, TumourRegionsd, region_names
from .remove_small_components import RemoveSmallComponentsd, remove_small_components
from .safe_spacing import SafeSpacingd
from .same_grid import RequireSameGridd, grid_difference
from .sample_logits import SampleLogitsd
from .sample_on_grid import logits_on_grid
from .sample_picture_logits import SamplePictureLogitsd
from .save_case import SaveImageCased
from .save_experts import SaveImageExpertsd
from .save_picture_case import SavePictureCased
from .segment_on_grid import SegmentOnGridd, map_on_grid, probabilities_on_grid, segment_on_grid
from .shown_modality import ShownModalityd
from .source_file import source_file
from .split_disagreement import SplitDisagreementd
from .split_experts import Experts, SplitExpertsd
from .stack_modalities import StackModalitiesd
from .zones import ProstateZones, ProstateZonesd

__all__ = [
    "LABELLED_AT_LEAST",
    "CalibrationPairsd",
    "CheckZonesd",
    "Experts",
    "FuzzyMembership",
    "FuzzyMembershipd",
    "GlandInstancesd",
    "GlandRegionsd",
    "HierarchicalSegmentationd",
    "JoinMasksd",
    "LeaveGridd",
    "LoadImageModalitiesd",
    "LoadPictured",
    "MapLabel",
    "MapLabeld",
    "MaskAndClassd",
    "NormalizeInBrain",
    "NormalizeInBraind",
    "NormalizeMeasured",
    "NormalizeMeasuredd",
    "NoteBraind",
    "NoteFramed",
    "NoteInputsd",
    "PrepareBraind",
    "PrepareProstated",
    "ProstateZones",
    "ProstateZonesd",
    "RandModalitySubsetd",
    "RemoveSmallComponentsd",
    "RequireSameGridd",
    "SafeSpacingd",
    "SampleLogitsd",
    "SamplePictureLogitsd",
    "SaveImageCased",
    "SaveImageExpertsd",
    "SavePictureCased",
    "SegmentOnGridd",
    "ShownModalityd",
    "SplitDisagreementd",
    "SplitExpertsd",
    "StackModalitiesd",
    "TumourRegions",
    "TumourRegionsd",
    "at_temperature",
    "brain_of_normalized",
    "class_contradiction",
    "decision_offsets",
    "draw_experts",
    "draw_overlay",
    "draw_picture_overlay",
    "flipped_share",
    "fuzzy_hesitation",
    "fuzzy_membership",
    "fuzzy_non_membership",
    "gland_instances",
    "gland_regions",
    "grid_difference",
    "image_steps",
    "in_brain",
    "keep_argmax",
    "label_states",
    "logits_on_grid",
    "map_on_grid",
    "nifti_on_grid",
    "onehot_label",
    "output_numbers",
    "probabilities_on_grid",
    "region_names",
    "remove_small_components",
    "segment_on_grid",
    "source_file",
    "state_log_probabilities",
    "values_of_classes",
]
