"""How to predict."""

from .gate_scope_inferer import GateScopeInferer
from .modality_subsets_inferer import ModalitySubsetsInferer
from .whole_or_window import WholeOrWindowInferer

__all__ = ["GateScopeInferer", "ModalitySubsetsInferer", "WholeOrWindowInferer"]
