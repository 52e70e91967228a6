"""Training losses. Every loss takes logits (B, C, *spatial) first and a target second."""

from .fuzzy_auxiliary import FuzzyAuxiliaryLoss, fuzzy_auxiliary_terms
from .geometry import GeometryLoss
from .hierarchical_mask import HierarchicalMaskLoss
from .hierarchical_topology import HierarchicalTopologyLoss
from .label_hierarchy import HierarchyLoss, label_states, state_log_probabilities
from .pareto_fuzzy import ParetoFuzzyLoss
from .uncertainty_weighted import UncertaintyWeightedLoss

__all__ = [
    "FuzzyAuxiliaryLoss",
    "GeometryLoss",
    "HierarchicalMaskLoss",
    "HierarchicalTopologyLoss",
    "HierarchyLoss",
    "ParetoFuzzyLoss",
    "UncertaintyWeightedLoss",
    "fuzzy_auxiliary_terms",
    "label_states",
    "state_log_probabilities",
]
