"""What happens during a run: schedules, saving, progress, tables, pictures."""

from .case_guard import CaseGuard
from .checkpoint import TrainingCheckpoint, WeightsLoader
from .class_outcomes import class_probabilities_and_truth
from .curves import TrainingCurves
from .early_stopping import EarlyStopping
from .epoch_seed import EpochSeed
from .evaluation_table import EvaluationTable
from .fuzzy_weight import ConstantWeight, ExponentialDecay, LinearDecay
from .gradient_clip import GradientClip
from .gradient_statistics import GradientStatistics
from .linear_ramp import LinearRamp
from .loss_terms import LossTerms, write_epoch_scalars
from .mask_and_class_evaluation import MaskAndClassEvaluation
from .object_evaluation import ObjectEvaluation
from .one_line_errors import install_one_line_errors, one_line_of
from .prepare_batch import PrepareBatchTargets
from .progress import CaseProgress, EpochProgress
from .running_workflow import refuse_unknown_settings, running_workflow, save_executed_config, unknown_settings
from .subset_evaluation import SubsetEvaluation
from .warm_up import WarmUp

__all__ = [
    "CaseGuard",
    "CaseProgress",
    "ConstantWeight",
    "EarlyStopping",
    "EpochProgress",
    "EpochSeed",
    "EvaluationTable",
    "ExponentialDecay",
    "GradientClip",
    "GradientStatistics",
    "LinearDecay",
    "LinearRamp",
    "LossTerms",
    "MaskAndClassEvaluation",
    "ObjectEvaluation",
    "PrepareBatchTargets",
    "SubsetEvaluation",
    "TrainingCheckpoint",
    "TrainingCurves",
    "WarmUp",
    "WeightsLoader",
    "class_probabilities_and_truth",
    "install_one_line_errors",
    "one_line_of",
    "refuse_unknown_settings",
    "running_workflow",
    "save_executed_config",
    "unknown_settings",
    "write_epoch_scalars",
]
