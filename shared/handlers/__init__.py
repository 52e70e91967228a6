"""What happens on the events of an engine: schedules, saving, progress."""

from .checkpoint import TrainingCheckpoint, WeightsLoader
from .class_outcomes import class_probabilities_and_truth
from .early_stopping import EarlyStopping
from .epoch_seed import EpochSeed
from .gradient_clip import GradientClip
from .gradient_statistics import GradientStatistics
from .linear_ramp import LinearRamp
from .loss_terms import LossTerms, write_epoch_scalars
from .prepare_batch import PrepareBatchTargets
from .progress import CaseProgress, EpochProgress
from .running_workflow import refuse_unknown_settings, running_workflow, save_executed_config, unknown_settings
from .schedules import ConstantWeight, ExponentialDecay, LinearDecay
from .warm_up import WarmUp

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
    "refuse_unknown_settings",
    "running_workflow",
    "save_executed_config",
    "unknown_settings",
    "write_epoch_scalars",
]
