"""Tables and figures of a training or an evaluation."""

from .cohort_table import CohortTable
from .evaluation_table import EvaluationTable
from .gland_evaluation import GlandEvaluation
from .lesion_evaluation import LesionEvaluation
from .subset_evaluation import SubsetEvaluation
from .temperature_file import find_temperature, member_temperatures
from .temperature_report import TemperatureReport
from .tumour_columns import tumour_columns

__all__ = [
    "CohortTable",
    "EvaluationTable",
    "GlandEvaluation",
    "LesionEvaluation",
    "SubsetEvaluation",
    "TemperatureReport",
    "find_temperature",
    "member_temperatures",
    "tumour_columns",
]
