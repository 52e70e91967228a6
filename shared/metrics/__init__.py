"""Scores on predictions."""

from .calibration_error import (
    ExpectedCalibrationErrorMetric,
    calibration_bins,
    error_of_bins,
    expected_calibration_error,
)
from .class_scores import class_scores, confusion_counts, one_vs_rest_auc, roc_points
from .hausdorff_95 import Hausdorff95Metric, OneEmptyMetric, hausdorff_95
from .object_metrics import ObjectDiceMetric, object_dice, object_f1, object_hausdorff
from .object_sums import ObjectSums, object_sums

__all__ = [
    "ExpectedCalibrationErrorMetric",
    "Hausdorff95Metric",
    "ObjectDiceMetric",
    "ObjectSums",
    "OneEmptyMetric",
    "calibration_bins",
    "class_scores",
    "confusion_counts",
    "error_of_bins",
    "expected_calibration_error",
    "hausdorff_95",
    "object_dice",
    "object_f1",
    "object_hausdorff",
    "object_sums",
    "one_vs_rest_auc",
    "roc_points",
]
