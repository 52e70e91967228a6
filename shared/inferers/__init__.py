"""How to predict."""

from .modality_subsets_inferer import ModalitySubsetsInferer
from .whole_or_window import WholeOrWindowInferer

__all__ = ["ModalitySubsetsInferer", "WholeOrWindowInferer"]
