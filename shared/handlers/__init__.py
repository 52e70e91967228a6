"""What happens on the events of an engine: schedules, saving, progress."""

from .case_guard import CaseGuard
from .case_progress import CaseProgress
from .checkpoint import TrainingCheckpoint
from .class_outcomes import class_probabilities_and_truth
from .early_stopping import EarlyStopping
from .epoch_seed import EpochSeed
from .gradient_clip import GradientClip
from .gradient_statistics import GradientStatistics
from .hold_volumes_once import HoldVolumesOnce
from .included_weights import use_included_weights
from .initial_weights import InitialWeights
from .model_settings import read_model_settings, with_model_settings
from .prepare_batch import PrepareBatchTargets
from .read_picture_predictions import (
    ReadMaskPredictions,
    ReadObjectPredictions,
    read_mask_predictions,
    read_object_predictions,
)
from .read_predictions import ReadPredictions, read_predictions
from .running_workflow import refuse_unknown_settings, running_workflow, save_executed_config, unknown_settings
from .schedules import ConstantWeight, ExponentialDecay, LinearDecay, LinearRamp, WarmUp
from .skip_finished import SkipFinished
from .training_log import TrainingLog
from .weights_loader import WeightsLoader

__all__ = [
    "CaseGuard",
    "CaseProgress",
    "ConstantWeight",
    "EarlyStopping",
    "EpochSeed",
    "ExponentialDecay",
    "GradientClip",
    "GradientStatistics",
    "HoldVolumesOnce",
    "InitialWeights",
    "LinearDecay",
    "LinearRamp",
    "PrepareBatchTargets",
    "ReadMaskPredictions",
    "ReadObjectPredictions",
    "ReadPredictions",
    "SkipFinished",
    "TrainingCheckpoint",
    "TrainingLog",
    "WarmUp",
    "WeightsLoader",
    "class_probabilities_and_truth",
    "read_mask_predictions",
    "read_model_settings",
    "read_object_predictions",
    "read_predictions",
    "refuse_unknown_settings",
    "running_workflow",
    "save_executed_config",
    "unknown_settings",
    "use_included_weights",
    "with_model_settings",
]
