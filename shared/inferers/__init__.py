"""How to predict."""

from .modality_subsets import ModalitySubsetsInferer
from .whole_or_window import WholeOrWindowInferer

__all__ = ["ModalitySubsetsInferer", "WholeOrWindowInferer"]
