"""Inferers (sliding windows, ensembles, subsets of modalities) and inference from Python."""

from .averaged_inferer import AveragedInferer, disagreement_of
from .channel_groups import ChannelGroups
from .experts_inferer import ExpertsInferer
from .gate_scope_inferer import GateScopeInferer
from .lean_window_inferer import LeanWindowInferer
from .modality_subsets_inferer import ModalitySubsetsInferer
from .positioned_window import PositionedWindowInferer
from .segmentation import Segmentation
from .segmenter import Segmenter
from .whole_or_window import WholeOrWindowInferer

__all__ = [
    "AveragedInferer",
    "ChannelGroups",
    "ExpertsInferer",
    "GateScopeInferer",
    "LeanWindowInferer",
    "ModalitySubsetsInferer",
    "PositionedWindowInferer",
    "Segmentation",
    "Segmenter",
    "WholeOrWindowInferer",
    "disagreement_of",
]
