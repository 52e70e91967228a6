"""Training losses. Every loss takes logits (B, C, *spatial) first and a target second."""

from .fuzzy_auxiliary import FuzzyAuxiliaryLoss, fuzzy_auxiliary_terms
from .pareto_fuzzy import ParetoFuzzyLoss

__all__ = ["FuzzyAuxiliaryLoss", "ParetoFuzzyLoss", "fuzzy_auxiliary_terms"]
