"""What happens on the events of an engine: schedules, saving, progress."""

from .checkpoint import TrainingCheckpoint
from .class_outcomes import class_probabilities_and_truth
from .early_stopping import EarlyStopping
from .epoch_seed import EpochSeed
from .gradient_clip import GradientClip
from .gradient_statistics import GradientStatistics
from .linear_ramp import LinearRamp
from .loss_terms import LossTerms, write_epoch_scalars
from .model_settings import read_model_settings, with_model_settings
from .one_line_errors import install_one_line_errors, one_line_of
from .prepare_batch import PrepareBatchTargets
from .progress import CaseProgress, EpochProgress
from .running_workflow import refuse_unknown_settings, running_workflow, save_executed_config, unknown_settings
from .schedules import ConstantWeight, ExponentialDecay, LinearDecay
from .warm_up import WarmUp
from .weights_loader import WeightsLoader

__all__ = [
    "CaseProgress",
    "ConstantWeight",
    "EarlyStopping",
    "EpochProgress",
    "EpochSeed",
    "ExponentialDecay",
    "GradientClip",
    "GradientStatistics",
    "LinearDecay",
    "LinearRamp",
    "LossTerms",
    "PrepareBatchTargets",
    "TrainingCheckpoint",
    "WarmUp",
    "WeightsLoader",
    "class_probabilities_and_truth",
    "install_one_line_errors",
    "one_line_of",
    "read_model_settings",
    "refuse_unknown_settings",
    "running_workflow",
    "save_executed_config",
    "unknown_settings",
    "with_model_settings",
    "write_epoch_scalars",
]
