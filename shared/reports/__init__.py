"""Tables and figures of a training or an evaluation."""

from .evaluation_table import EvaluationTable
from .gland_evaluation import GlandEvaluation
from .lesion_evaluation import LesionEvaluation
from .subset_evaluation import SubsetEvaluation

__all__ = [
    "EvaluationTable",
    "GlandEvaluation",
    "LesionEvaluation",
    "SubsetEvaluation",
]
