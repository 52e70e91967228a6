"""Training losses. Every loss takes logits (B, C, *spatial) first and a target second."""

from .boundary_curvature import BoundaryCurvatureLoss, curvature_distance, curvature_kernel
from .cloe_loss import CLoELoss
from .contrast import ContentContrastLoss, StyleContrastLoss, pairwise_contrast
from .contrastive_representation import ContrastiveRepresentationLoss
from .expert_consistency import ModalityExpertConsistencyLoss, RegionExpertConsistencyLoss, expert_consistency
from .expert_supervision import ExpertSupervisionLoss
from .focal_cross_entropy import FocalCrossEntropyLoss
from .focal_tversky import FocalTverskyLoss
from .fuzzy_auxiliary import FuzzyAuxiliaryLoss, fuzzy_auxiliary_terms
from .gaussian_divergence import gaussian_divergence
from .geometry import GeometryLoss
from .hierarchical_fuzzy import HierarchicalFuzzyLoss
from .hierarchical_mask import HierarchicalMaskLoss
from .hierarchical_topology import HierarchicalTopologyLoss
from .hierarchy_loss import HierarchyLoss, label_states, state_log_probabilities
from .learned_uncertainties import LearnedUncertainties
from .loss_terms import LossWithTerms, Total
from .masked_modalities import MaskedModalitiesLoss
from .missing_modality import MissingModalityLoss
from .modality_completion import ModalityCompletionLoss, subset_divergence
from .modality_reconstruction import ModalityReconstructionLoss
from .pareto_fuzzy import ParetoFuzzyLoss
from .reconstruction import ReconstructionLoss, reconstruction_error
from .region_curriculum import RegionCurriculum, region_curriculum_weights
from .region_supervision import RegionSupervisionLoss
from .shared_specific import SharedSpecificLoss, shared_distance
from .structural_similarity import pairwise_structural_similarity
from .texture import TextureLoss
from .uncertainty_weighted import UncertaintyWeightedLoss
from .view_consistency import ViewConsistencyLoss
from .voxel_weighted_dice_ce import VoxelWeightedDiceCELoss, voxel_weighted_dice_loss
from .weighted_cross_entropy import WeightedCrossEntropyDiceLoss, weighted_cross_entropy

__all__ = [
    "BoundaryCurvatureLoss",
    "CLoELoss",
    "ContentContrastLoss",
    "ContrastiveRepresentationLoss",
    "ExpertSupervisionLoss",
    "FocalCrossEntropyLoss",
    "FocalTverskyLoss",
    "FuzzyAuxiliaryLoss",
    "GeometryLoss",
    "HierarchicalFuzzyLoss",
    "HierarchicalMaskLoss",
    "HierarchicalTopologyLoss",
    "HierarchyLoss",
    "LearnedUncertainties",
    "LossWithTerms",
    "MaskedModalitiesLoss",
    "MissingModalityLoss",
    "ModalityCompletionLoss",
    "ModalityExpertConsistencyLoss",
    "ModalityReconstructionLoss",
    "ParetoFuzzyLoss",
    "ReconstructionLoss",
    "RegionCurriculum",
    "RegionExpertConsistencyLoss",
    "RegionSupervisionLoss",
    "SharedSpecificLoss",
    "StyleContrastLoss",
    "TextureLoss",
    "Total",
    "UncertaintyWeightedLoss",
    "ViewConsistencyLoss",
    "VoxelWeightedDiceCELoss",
    "WeightedCrossEntropyDiceLoss",
    "curvature_distance",
    "curvature_kernel",
    "expert_consistency",
    "fuzzy_auxiliary_terms",
    "gaussian_divergence",
    "label_states",
    "pairwise_contrast",
    "pairwise_structural_similarity",
    "reconstruction_error",
    "region_curriculum_weights",
    "shared_distance",
    "state_log_probabilities",
    "subset_divergence",
    "voxel_weighted_dice_loss",
    "weighted_cross_entropy",
]
